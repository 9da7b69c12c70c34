"""The harness of fetchers that speak HTTP: the kit's own origin, good and bad, in a thread."""

import itertools
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar, Final

from ....contracts import Source
from ...bodies import KIB, Body
from ...origin import Behaviour, Exchange, Origin, answer, head, origin_in_thread, raw, redirect, repeat, reset, stall
from ..support import FetcherHarness, Flaw

LOOPBACK: Final = "127.0.0.1"
BODY: Final = Body(1000)
"""What most cases serve."""
DATA: Final = BODY.whole()
CHUNKED: Final = head(headers={"Transfer-Encoding": "chunked"})


class HttpHarness(FetcherHarness):
    """Gives what ``FetcherHarness`` asks for. ``make_fetcher`` is the author's; see ``HttpFetcherSuite``.

    Attributes:
        origin: an origin for the case's own routes.
        elsewhere: another one, on a port of its own.
    """

    refused_urls: ClassVar[Sequence[str]] = (
        "http:",
        "http://",
        "http://:80/picture.png",
        "http://[::1/picture.png",
        "http://example.org:99999/picture.png",
        "http://example.org:port/picture.png",
        "http://exa mple.org/picture.png",
        "http://example.org\0/picture.png",
    )
    origin: Origin
    elsewhere: Origin

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """See ``Suite.running``: both origins, and a port where nothing listens."""
        self._numbers = itertools.count()
        self.declare(Flaw.FAILED_AFTER, "HTTP has no status behind a body")
        with socket.socket() as down:
            down.bind((LOOPBACK, 0))  # taken, so that nobody else listens there, and not listened on
            self._down_port: int = down.getsockname()[1]
            with origin_in_thread(Origin()) as self.origin, origin_in_thread(Origin()) as self.elsewhere:
                yield

    def route(self, behaviour: Behaviour, name: str = "picture.png") -> str:
        """A new url where the origin behaves so."""
        path = f"/{next(self._numbers)}/{name}"
        self.origin.routes[path] = behaviour
        return self.origin.url(path)

    async def serve(self, body: Body) -> Source:
        """See ``FetcherHarness.serve``."""
        first = head(headers={"Content-Length": str(body.size), "Content-Type": "image/png"})
        return Source(self.route(stream(first, body.pieces)))

    async def serve_flawed(self, flaw: Flaw, body: Body) -> Source:
        """See ``FetcherHarness.serve_flawed``."""
        match flaw:
            case Flaw.DOWN:
                return Source(f"http://{LOOPBACK}:{self._down_port}/picture.png")
            case Flaw.REDIRECT_LOOP:
                there = self.route(redirect("to be known"))
                here = self.route(redirect(there))
                self.origin.routes[there.removeprefix(self.origin.url(""))] = redirect(here)
                return Source(here)
            case Flaw.LEADS_ELSEWHERE:
                host, port = self.forbidden
                return Source(self.route(redirect(f"http://{host}:{port}/picture.png")))
        return Source(self.route(_flawed(flaw, body)))


def stream(first: bytes, pieces: Callable[[], Iterable[bytes]]) -> Behaviour:
    """Send ``first`` and then the pieces, which are made anew for each request."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(first)
        for piece in pieces():
            await exchange.send(piece)
        return True

    return behave


def sized(length: int, body: bytes = b"") -> bytes:
    """A response that announces so many bytes, and has these."""
    return head(headers={"Content-Length": str(length)}) + body


def chunk(data: bytes) -> bytes:
    """A chunk of the chunked transfer coding (RFC 9112 section 7.1); without data, the last one."""
    return b"%x\r\n" % len(data) + data + b"\r\n"


def _flawed(flaw: Flaw, body: Body) -> Behaviour:
    half = body.size // 2
    half_sent = sized(body.size, b"".join(body.pieces(end=half)))
    behaviours: dict[Flaw, Callable[[], Behaviour]] = {
        Flaw.MISSING: lambda: answer(b"not here", 404),
        Flaw.DENIED: lambda: answer(b"not for you", 403),
        Flaw.UNAVAILABLE: lambda: answer(b"not now", 503),
        Flaw.SILENT: stall,
        Flaw.HANGS_UP: lambda: raw(b""),
        Flaw.STALLED: lambda: stall(half_sent),
        Flaw.DRIPPING: lambda: repeat(head(), b".", 0.05),
        Flaw.RESET: lambda: reset(half_sent),
        Flaw.TRUNCATED: lambda: raw(half_sent),
        Flaw.ENDS_EARLY: lambda: raw(CHUNKED + b"".join(map(chunk, body.pieces(end=half)))),
        Flaw.EMPTY: lambda: raw(head()),
        Flaw.ENDLESS: lambda: repeat(head(), body.part(0, 64 * KIB)),
        Flaw.TOO_LONG: lambda: raw(sized(half, body.whole())),
    }
    return behaviours[flaw]()
