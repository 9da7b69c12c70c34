"""The answer to a deletion."""

from http import HTTPStatus
from typing import Final

from ..http.base import BaseHandler

DELETING: Final = "It is deleted for everyone who asks. Its bytes go when an attempt that still runs has ended."


def answer_deleted(handler: BaseHandler, *, is_gone: bool) -> None:
    """Finish the answer: 204, or 202 if the bytes are not gone yet."""
    if is_gone:
        handler.answer_nothing()
    else:
        handler.answer(HTTPStatus.ACCEPTED, {"status": "deleting", "detail": DELETING})
