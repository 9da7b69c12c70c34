"""What handlers do beside what Tornado's do."""

from types import SimpleNamespace
from typing import Any, cast

from tornado.web import RequestHandler

from lading.service.api.http.base import BaseHandler


class Answer(SimpleNamespace):
    """What a handler knows while it is cleared for the first time."""

    def set_default_headers(self) -> None:
        """None."""


def cleared_by(handler: type[RequestHandler]) -> dict[str, Any]:
    answer = Answer(request=SimpleNamespace(headers={}))
    handler.clear(cast("RequestHandler", answer))
    return vars(answer)


def test_what_tornado_clears_is_cleared_to_the_same() -> None:
    tornados, ours = cleared_by(RequestHandler), cleared_by(BaseHandler)
    assert {"_headers", "_write_buffer", "_status_code"} <= tornados.keys() <= ours.keys()
    same = tornados.keys() - {"_headers", "request"}
    assert {name: ours[name] for name in same} == {name: tornados[name] for name in same}
