"""Cases of the fetcher suite: what a good source gives, and how it may be read."""

import asyncio
import errno
import hashlib
from dataclasses import replace

import pytest

from ...contracts import Fetcher, Source
from ...errors import BodyEmpty, BodyTooLarge, FetchError, NotAnImage, SourceRefused
from ..bodies import KIB, MIB, Body, assert_bytes
from ..cancellation import attempt
from ..judging import bounded_memory
from .support import (
    LARGE,
    FetcherHarness,
    FetchLimits,
    assert_announced,
    assert_beginning,
    assert_error,
    assert_piece,
    assert_whole,
    fetch,
)

SIZES = [1, 2, 100, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB, MIB + 1, 3 * MIB + 5]
LIMIT = 100_000
BULK = 32_000_000
"""Size in bytes of a body that does not fit into ``MEMORY``."""

MEMORY = 16 * MIB
"""How much of Python's memory a fetch may take, the origin's own included where it runs in this process."""


class ReaderBroke(Exception):
    """The reader's own error."""


class ReadingCases(FetcherHarness):
    @pytest.mark.parametrize("size", SIZES)
    async def test_every_byte_arrives(self, size: int) -> None:
        """Bodies of many sizes arrive byte for byte."""
        body = self.body(size, seed=size)
        async with self.opened() as fetcher:
            assert_whole(await fetch(fetcher, await self.serve(body)), body, f"{size} bytes")

    async def test_every_byte_of_the_largest_arrives(self) -> None:
        """The largest body that the suite serves arrives byte for byte."""
        body = Body(min(LARGE, self.largest_body))
        async with self.opened() as fetcher:
            assert await _digest(fetcher, await self.serve(body)) == (body.size, body.sha256)

    async def test_memory_is_bounded(self) -> None:
        """A slow reader of 32 MB needs at most 16 MiB of memory: the fetcher does not read ahead without end."""
        body = self.body(BULK)
        source = await self.serve(body)
        # To follow every allocation takes its time.
        async with self.opened(FetchLimits(seconds=self.case_seconds)) as fetcher:
            with bounded_memory("32 MB for a slow reader", MEMORY):
                # Whoever reads ahead without end has the time to.
                assert await _digest(fetcher, source, pause=0.5) == (body.size, body.sha256)

    async def test_what_is_announced(self) -> None:
        """The announced length is the length of the body, or None."""
        for size in (1, 1000):
            body = Body(size)
            source = await self.serve(body)
            async with self.opened() as fetcher, fetcher.open(source) as fetched:
                assert_announced(fetched, f"{size} bytes")
                assert fetched.content_length in {None, size}, "content_length is not what an honest origin announced"
                assert b"".join([piece async for piece in fetched.chunks]) == body.whole()

    async def test_the_end_stays_the_end(self) -> None:
        """After its last chunk, ``chunks`` yields nothing more."""
        source = await self.serve(Body(1000))
        async with self.opened() as fetcher, fetcher.open(source) as fetched:
            assert b"".join([piece async for piece in fetched.chunks]) == Body(1000).whole()
            for _ in range(3):
                assert await anext(fetched.chunks, None) is None, "there is something behind the end"

    async def test_an_empty_body(self) -> None:
        """An empty body raises ``BodyEmpty`` or ``SourceRefused``, neither of them retryable."""
        async with self.opened() as fetcher:
            done = await fetch(fetcher, await self.serve(Body(0)))
            assert_error(done, (BodyEmpty, SourceRefused), "an empty body", retryable=False)
            await self.assert_works(fetcher)

    async def test_the_scheme_in_capitals(self) -> None:
        """A scheme in capital letters is accepted and fetched."""
        body = Body(1000)
        source = await self.serve(body)
        scheme, colon, rest = source.url.partition(":")
        shouted = replace(source, url=f"{scheme.upper()}{colon}{rest}")
        async with self.opened() as fetcher:
            fetcher.check(shouted)
            assert_whole(await fetch(fetcher, shouted), body, "a scheme in capitals")

    # --- how long it may be -------------------------------------------------------------------------------------------

    async def test_a_body_of_exactly_the_limit(self) -> None:
        """A body of exactly ``max_bytes`` arrives completely."""
        body = Body(min(LIMIT, self.largest_body))
        async with self.opened(FetchLimits(max_bytes=body.size)) as fetcher:
            assert_whole(await fetch(fetcher, await self.serve(body)), body, "a body of exactly max_bytes")

    @pytest.mark.parametrize("times", [1, 10])
    async def test_a_body_over_the_limit(self, times: int) -> None:
        """A larger body raises ``BodyTooLarge`` or ``SourceRefused``; at most ``max_bytes`` bytes come out."""
        limit = min(LIMIT, self.largest_body // (times + 1))
        body = Body(limit * times + 1)
        async with self.opened(FetchLimits(max_bytes=limit)) as fetcher:
            done = await fetch(fetcher, await self.serve(body))
            what = f"{body.size} bytes where {limit} are allowed"
            assert_error(done, (BodyTooLarge, SourceRefused), what, retryable=False)
            assert len(done.data) <= limit, f"{what}: {len(done.data)} bytes were given"
            assert_beginning(done, body, what)
            small = Body(min(1000, limit))
            assert_whole(await fetch(fetcher, await self.serve(small)), small, "a small body after a large one")

    # --- again and at once --------------------------------------------------------------------------------------------

    async def test_the_same_source_again(self) -> None:
        """A source may be fetched any number of times."""
        body = Body(1000)
        source = await self.serve(body)
        async with self.opened() as fetcher:
            for nth in range(1, 5):
                assert_whole(await fetch(fetcher, source), body, f"time {nth}")

    async def test_the_same_source_twice_at_once(self) -> None:
        """Two readers of one source each get the whole body."""
        body = Body(min(3 * MIB + 5, self.largest_body))
        source = await self.serve(body)
        async with self.opened() as fetcher, fetcher.open(source) as one, fetcher.open(source) as other:
            first, second = await anext(one.chunks), await anext(other.chunks)
            second += b"".join([piece async for piece in other.chunks])
            first += b"".join([piece async for piece in one.chunks])
        for data in (first, second):
            assert_bytes(data, body.whole(), "two fetches of one source disturb one another")

    async def test_many_at_once(self) -> None:
        """Sixteen concurrent fetches each get their own body."""
        bodies = [Body(1 + (nth * 9_999) % min(200_000, self.largest_body), seed=nth) for nth in range(16)]
        sources = [await self.serve(body) for body in bodies]
        async with self.opened() as fetcher:
            results = await asyncio.gather(*(fetch(fetcher, source) for source in sources))
        for nth, (done, body) in enumerate(zip(results, bodies, strict=True)):
            assert_whole(done, body, f"source {nth} of {len(bodies)} at once")

    # --- readers that do not read all ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("pieces", [0, 1])
    async def test_a_reader_that_leaves_early(self, pieces: int) -> None:
        """A reader that leaves early, again and again, does not use up the fetcher."""
        body = Body(min(3 * MIB + 5, self.largest_body))
        source = await self.serve(body)
        async with self.opened() as fetcher:
            # Again and again: what a fetch keeps for itself is missed when it was the last.
            for _ in range(24):
                async with fetcher.open(source) as fetched:
                    for _ in range(pieces):
                        assert_piece(await anext(fetched.chunks))
            await self.assert_works(fetcher)

    @pytest.mark.parametrize("pieces", [0, 1, 1000])
    async def test_a_readers_own_error_passes_unchanged(self, pieces: int) -> None:
        """An error that the reader raises within ``open`` comes out as the same object."""
        source = await self.serve(Body(min(MIB, self.largest_body)))
        async with self.opened() as fetcher:
            for error in (
                ReaderBroke("broke"),
                OSError(errno.ENOSPC, "no space left in the spool"),
                TimeoutError("of the reader"),
                ValueError("of the reader"),
                NotAnImage("of the reader"),
                FetchError("of the reader"),
            ):
                caught = await attempt(_fail_after(fetcher, source, pieces, error))
                assert caught is error, f"the reader raises {error!r}, and out comes {caught!r}"
            await self.assert_works(fetcher)


async def _digest(fetcher: Fetcher, source: Source, pause: float = 0) -> tuple[int, str]:
    """Size and SHA-256 of the body; after the first piece the reader pauses for some seconds."""
    digest, size = hashlib.sha256(), 0
    async with fetcher.open(source) as fetched:
        async for piece in fetched.chunks:
            assert_piece(piece)
            if not size:
                await asyncio.sleep(pause)
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


async def _fail_after(fetcher: Fetcher, source: Source, pieces: int, error: Exception) -> None:
    async with fetcher.open(source) as fetched:
        for _ in range(pieces):
            if await anext(fetched.chunks, None) is None:
                break
        raise error
