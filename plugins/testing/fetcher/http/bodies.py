"""Cases of the HTTP suite: how bodies are framed and encoded."""

import gzip
from collections.abc import Mapping, Sequence
from typing import Final

import pytest

from ....contracts import Source
from ....errors import BodyTooLarge, ContentEncodingBomb, ContentEncodingNotAllowed, FetchError
from ...bodies import MIB, Body
from ...origin import Behaviour, answer, head, raw, reset, stall
from ..support import FetchLimits, assert_beginning, assert_error, assert_whole, fetch
from .support import BODY, CHUNKED, DATA, HttpHarness, chunk, sized, stream

BROKEN: Final[Mapping[str, Behaviour]] = {
    "closed at once": raw(),
    "closed within the head": raw(b"HTTP/1.1 200 OK\r\nA: "),
    "reset at once": reset(),
    "closed before the body": raw(sized(1000)),
    "closed within the body": raw(sized(1000, DATA[:999])),
    "closed within a chunk": raw(CHUNKED + chunk(DATA)[:-10]),
    "closed before the last chunk": raw(CHUNKED + chunk(DATA[:500]) + chunk(DATA[500:])),
    "reset within a chunk": reset(CHUNKED + chunk(DATA)[:-10]),
    "reset where the end would be the end": reset(head() + DATA[:500]),
}
"""Answers that break off: another attempt may succeed."""

BAD_CHUNKS: Final[Mapping[str, bytes]] = {
    "a size that is none": b"zz\r\n",
    "a negative size": b"-3\r\nabc\r\n",
    "an enormous size": b"f" * 32 + b"\r\n",
    "more than its size": b"3\r\nabcdef\r\n0\r\n\r\n",
}


class BodyCases(HttpHarness):
    # --- framing ------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("size", [1, 1000, 3 * MIB + 5])
    async def test_bodies_framed_in_other_ways(self, size: int) -> None:
        """The fetcher reads chunked bodies, and bodies that end with the connection (RFC 9112 section 6)."""
        body = Body(size)
        framed = {
            "chunks": stream(CHUNKED, lambda: (*map(chunk, body.pieces(50_000)), chunk(b""))),
            "chunks with extensions": stream(
                CHUNKED, lambda: (b"%x;a=b\r\n" % size, *body.pieces(), b"\r\n0;c\r\n\r\n")
            ),
            "chunks with a trailer": stream(
                CHUNKED, lambda: (chunk(body.part(0, 1)), *_rest(body), b"0\r\nA: b\r\n\r\n")
            ),
            "until the end of the connection": raw(head(), *body.pieces()),
        }
        async with self.opened() as fetcher:
            for name, behaviour in framed.items():
                assert_whole(await fetch(fetcher, Source(self.route(behaviour))), body, name)

    async def test_doubtful_framing_gives_no_other_bytes(self) -> None:
        """Repeated or contradicting lengths give exactly the body, or a ``FetchError``."""
        fields = {
            "the same length twice": [b"Content-Length: 1000", b"Content-Length: 1000"],
            "a length and chunks": [b"Content-Length: 3", b"Transfer-Encoding: chunked"],
            "chunks and a length": [b"Transfer-Encoding: chunked", b"Content-Length: 3"],
        }
        async with self.opened() as fetcher:
            for name, lines in fields.items():
                body = chunk(DATA) + chunk(b"") if b"chunked" in b"".join(lines) else DATA
                message = b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", body])
                done = await fetch(fetcher, Source(self.route(raw(message))))
                if done.error is None:
                    assert_whole(done, BODY, name)
                else:
                    assert_error(done, FetchError, name)

    @pytest.mark.parametrize("name", BROKEN)
    async def test_an_answer_that_breaks_off(self, name: str) -> None:
        """A connection that closes or resets within the response raises a retryable ``FetchError``."""
        async with self.opened() as fetcher:
            done = await fetch(fetcher, Source(self.route(BROKEN[name])))
            assert_error(done, FetchError, name, retryable=True)
            assert_beginning(done, BODY, name)
            await self.assert_works(fetcher)

    @pytest.mark.parametrize("name", BAD_CHUNKS)
    async def test_chunks_that_are_none(self, name: str) -> None:
        """A malformed chunk raises a ``FetchError`` at once."""
        async with self.opened() as fetcher:
            # The connection stays open: that the chunk is none is to be seen, not waited for.
            done = await fetch(fetcher, Source(self.route(stall(CHUNKED + BAD_CHUNKS[name]))), 1.0)
            assert_error(done, FetchError, name)
            await self.assert_works(fetcher)

    async def test_too_much_is_announced(self) -> None:
        """A ``Content-Length`` beyond ``max_bytes`` raises ``BodyTooLarge`` before the body arrives."""
        async with self.opened(FetchLimits(max_bytes=2000)) as fetcher:
            for length in (2001, 10**17):
                done = await fetch(fetcher, Source(self.route(stall(sized(length)))), 1.0)
                assert_error(done, BodyTooLarge, f"{length} bytes announced where 2000 are allowed", retryable=False)

    async def test_what_follows_an_answer_is_not_the_next(self) -> None:
        """Bytes after a response never become the response to the next request."""
        async with self.opened() as fetcher:
            for _ in range(3):
                stale = raw(sized(1000, DATA) + sized(5, b"stale"), keep=True)
                assert_whole(await fetch(fetcher, Source(self.route(stale))), BODY, "an answer with another behind it")
                await self.assert_works(fetcher)

    async def test_a_connection_that_is_closed_unannounced(self) -> None:
        """The fetcher copes with an origin that closes each connection without announcing it."""
        async with self.opened() as fetcher:
            for nth in range(8):
                done = await fetch(fetcher, Source(self.route(raw(sized(1000, DATA)))))
                assert_whole(done, BODY, f"fetch {nth} of an origin that keeps no connection")

    # --- encodings ----------------------------------------------------------------------------------------------------

    async def test_an_encoding_that_nobody_asked_for(self) -> None:
        """An unknown content coding is ignored, or raises ``ContentEncodingNotAllowed``."""
        async with self.opened() as fetcher:
            done = await fetch(fetcher, Source(self.route(answer(DATA, headers={"Content-Encoding": "x-unknown"}))))
            if done.error is None:
                assert_whole(done, BODY, "an unknown content encoding, which browsers ignore")
            else:
                assert_error(done, ContentEncodingNotAllowed, "an unknown content encoding", retryable=False)

    async def test_compressed_bodies(self) -> None:
        """A gzip body is decoded, or refused if the fetcher did not ask for gzip; the decoded bytes are bounded."""
        bomb = gzip.compress(bytes(4 * MIB))
        plain, large = (
            self.route(answer(data, headers={"Content-Encoding": "gzip"})) for data in (gzip.compress(DATA), bomb)
        )
        async with self.opened(FetchLimits(max_bytes=MIB)) as fetcher:
            done = await fetch(fetcher, Source(plain))
            if done.error is None:
                assert_whole(done, BODY, "a gzip")
            else:
                assert_error(done, ContentEncodingNotAllowed, "a gzip that nobody asked for", retryable=False)
                asked = self.origin.requests[-1].headers.get("accept-encoding", "")
                assert "gzip" not in asked, "a gzip that the fetcher asked for is refused"
            exploded = await fetch(fetcher, Source(large))
            assert_error(
                exploded,
                (BodyTooLarge, ContentEncodingBomb, ContentEncodingNotAllowed),
                "a gzip of 4 MiB where 1 is allowed",
            )
            assert len(exploded.data) <= MIB, f"{len(exploded.data)} bytes of a gzip were given where 1 MiB is allowed"


def _rest(body: Body) -> Sequence[bytes]:
    """All but the first byte, as chunks."""
    return [chunk(body.part(offset, MIB)) for offset in range(1, body.size, MIB)]
