"""What all operations share: sending with retries, and reading answers. It does no I/O: see ``steps``."""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from .errors import LadingError, ServerNotReachable, answered
from .models import Model
from .retries import DEFAULT, Retry, Tries
from .steps import Emit, Head, Next, Open, Operation, Pause, Reply, Request, Stream

MOST_BYTES: Final = 64 * 1024 * 1024
"""The largest answer that is read into memory."""
MOST_ERROR_BYTES: Final = 64 * 1024

M = TypeVar("M", bound=Model)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Core:
    """The settings of a client.

    Attributes:
        url: of the service, without a slash at its end.
        retry: how often and for how long requests are repeated.
        follow_redirects: whether the bytes of an image are fetched from the URL that the service redirects to.
        clock: monotonic seconds.
        chance: gives numbers from 0 to 1.
    """

    url: str
    retry: Retry = DEFAULT
    follow_redirects: bool = False
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    chance: Callable[[], float] = field(default=random.random, repr=False)

    def url_of(self, path: str) -> str:
        """The URL of a path of the service."""
        return f"{self.url}{path}"

    def tries(self) -> Tries:
        """The tries of a new request."""
        return Tries(self.retry, self.clock, self.chance)

    def again(self, error: LadingError, request: Request, tries: Tries) -> Operation[None]:
        """Pause before another try.

        Raises:
            LadingError: the error itself, if there is no other try.
        """
        seconds = tries.pause(error, request)
        if seconds is None:
            raise error
        yield Pause(seconds)

    def opened(self, request: Request, tries: Tries) -> Operation[Head]:
        """The head of an answer that is a success; its body is still to be read.

        Raises:
            LadingError: the answer is an error, or there is none; and another try is of no use, or not safe.
        """
        while True:
            try:
                head: Head = yield Open(request)
                if 200 <= head.status < 300 or head.status == 304:  # noqa: PLR2004  # RFC 9110 section 15
                    return head
                body = yield from self.read(MOST_ERROR_BYTES)
            except ServerNotReachable as failure:
                error: LadingError = failure
            else:
                if 300 <= head.status < 400:  # noqa: PLR2004  # RFC 9110 section 15
                    if self.follow_redirects and request.may_redirect:
                        return head
                    raise _redirected(head)
                if tries.is_repeat and head.status in request.settled:
                    return head
                error = answered(head.status, head.headers, body)
            yield from self.again(error, request, tries)

    def read(self, most: int = MOST_BYTES) -> Operation[bytes]:
        """The body of the open answer.

        Args:
            most: bytes that are kept; an error that is longer is cut.

        Raises:
            ServerNotReachable: the answer broke off.
            LadingError: ``answer_invalid``: it is longer than any that the service sends.
        """
        gathered = bytearray()
        while chunk := (yield Next()):
            gathered += chunk
            if len(gathered) > most:
                if most == MOST_ERROR_BYTES:
                    break
                raise LadingError("answer_invalid", detail="The server sends an answer that has no end.")
        return bytes(gathered)

    def exchange(self, request: Request, tries: Tries | None = None) -> Operation[Reply]:
        """The whole answer, after as many tries as are safe.

        Raises:
            LadingError: see ``opened``.
        """
        tries = tries or self.tries()
        while True:
            head = yield from self.opened(request, tries)
            try:
                body = yield from self.read()
            except ServerNotReachable as failure:
                error = failure
            else:
                return Reply(head, body)
            yield from self.again(error, request, tries)

    def document(self, request: Request, model: type[M]) -> Operation[M]:
        """The answer as a model.

        Raises:
            LadingError: see ``opened``; ``answer_invalid``, if the answer has another form.
        """
        reply = yield from self.exchange(request)
        return document_of(reply, model)

    def pages(
        self, path: str, query: Mapping[str, str | None], name: str, read: Callable[[Mapping[str, Any]], T | None]
    ) -> Stream[T]:
        """The documents of a list, page after page, following ``Link`` (RFC 8288).

        Args:
            path: of the list.
            query: of the first page.
            name: of the list in the answer.
            read: makes an item of a document; None leaves it out.

        Raises:
            LadingError: see ``document``.
        """
        pairs = tuple((key, value) for key, value in query.items() if value is not None)
        while True:
            reply = yield from self.exchange(Request("GET", path, pairs))
            for item in items_of(reply, name, read):
                yield Emit(item)
            following = next_query(reply.head)
            if following is None or following == pairs:
                return
            pairs = following


def next_query(head: Head) -> tuple[tuple[str, str], ...] | None:
    """The query of the next page; None after the last page. Only the query counts: the path stays the same."""
    for link in head.headers.get("link", "").split(", <"):
        target, _, rest = link.partition(">")
        if 'rel="next"' in rest:
            return tuple(parse_qsl(urlsplit(target.removeprefix("<")).query, keep_blank_values=True))
    return None


def segment(value: str) -> str:
    """An id as a segment of a path.

    Raises:
        ValueError: it cannot be an id.
    """
    if value in ("", ".", ".."):
        raise ValueError(f"{value!r} is no id")
    return quote(value, safe="")


def json_body(value: Any) -> bytes:
    """A JSON body."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def value_of(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        LadingError: ``answer_invalid``.
    """
    try:
        value = json.loads(reply.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _invalid()
    return value


def document_of(reply: Reply, model: type[M]) -> M:
    """The model of an answer.

    Raises:
        LadingError: ``answer_invalid``.
    """
    return _read(value_of(reply), model.of)


def items_of(reply: Reply, name: str, read: Callable[[Mapping[str, Any]], T | None]) -> Sequence[T]:
    """The items of a list in an answer.

    Raises:
        LadingError: ``answer_invalid``.
    """
    found = value_of(reply).get(name)
    if not isinstance(found, list):
        raise _invalid()
    return [item for one in found if (item := _read(one, read)) is not None]


def lines_of(reply: Reply) -> Iterator[dict[str, Any]]:
    """The JSON objects of an NDJSON answer.

    Raises:
        LadingError: while iterated: ``answer_invalid``.
    """
    for line in reply.body.split(b"\n"):
        if line.strip():
            yield value_of(Reply(reply.head, line))


def _read(document: Any, read: Callable[[Mapping[str, Any]], T]) -> T:
    try:
        return read(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _invalid() from error


def _invalid() -> LadingError:
    return LadingError("answer_invalid", detail="The answer has another form: the server is no Lading, or a newer one.")


def _redirected(head: Head) -> LadingError:
    return LadingError(
        "redirected",
        head.status,
        "The server redirects to another URL, which the client does not follow. Correct the url of the client; for the "
        "bytes of images, which some storages serve themselves, give follow_redirects=True.",
    )
