"""Cases of the fetcher suite: origins with something wrong."""

import asyncio

import pytest

from ...errors import (
    BodyEmpty,
    BodyTooLarge,
    ConnectFailed,
    FetchError,
    OriginDenied,
    OriginNotFound,
    OriginUnavailable,
    RedirectNotAllowed,
    TooManyRedirects,
)
from ..bodies import MIB, Body
from .support import ATTEMPTS, FetcherHarness, FetchLimits, Flaw, assert_beginning, assert_error, assert_whole, fetch

SECONDS = 1.0
"""The limit of fetches that are to run into it."""

ANSWERS: dict[Flaw, tuple[type[FetchError], bool]] = {
    Flaw.MISSING: (OriginNotFound, False),
    Flaw.DENIED: (OriginDenied, False),
    Flaw.UNAVAILABLE: (OriginUnavailable, True),
    Flaw.DOWN: (ConnectFailed, True),
}
"""What is to be made of origins that give no body, and whether another attempt is promised."""

LIMIT = 100_000


class FlawCases(FetcherHarness):
    @pytest.mark.parametrize("flaw", ANSWERS)
    async def test_an_origin_that_gives_nothing(self, flaw: Flaw) -> None:
        """An origin without the source, or out of reach, raises its class of error before ``open`` yields."""
        source = await self.serve_with(flaw, Body(1000))
        error, retryable = ANSWERS[flaw]
        async with self.opened() as fetcher:
            for _ in range(2):
                done = await fetch(fetcher, source)
                assert_error(done, error, flaw, retryable=retryable)
                assert done.fetched is None, f"{flaw}: it was opened all the same"
            await self.assert_works(fetcher)

    @pytest.mark.parametrize("flaw", [Flaw.SILENT, Flaw.STALLED, Flaw.DRIPPING])
    async def test_an_origin_that_takes_for_ever(self, flaw: Flaw) -> None:
        """A silent, stalled or dripping origin ends with a retryable ``FetchError`` within the time limit."""
        body = Body(100_000)
        source = await self.serve_with(flaw, body)
        async with self.opened(FetchLimits(seconds=SECONDS)) as fetcher:
            done = await fetch(fetcher, source, SECONDS)
            assert_error(done, FetchError, flaw, retryable=True)
            if flaw is Flaw.STALLED:
                assert_beginning(done, body, flaw)
            await self.assert_works(fetcher, attempts=ATTEMPTS)

    async def test_an_origin_that_hangs_up(self) -> None:
        """A connection that ends without an answer raises a retryable ``FetchError`` before ``open`` yields."""
        source = await self.serve_with(Flaw.HANGS_UP, Body(1000))
        async with self.opened() as fetcher:
            done = await fetch(fetcher, source)
            assert_error(done, FetchError, Flaw.HANGS_UP, retryable=True)
            assert done.fetched is None, f"{Flaw.HANGS_UP}: it was opened all the same"
            await self.assert_works(fetcher)

    async def test_an_empty_body_of_no_announced_size(self) -> None:
        """An empty body whose size nobody announced raises ``BodyEmpty``, which is not retryable."""
        source = await self.serve_with(Flaw.EMPTY, Body(0))
        async with self.opened() as fetcher:
            assert_error(await fetch(fetcher, source), BodyEmpty, Flaw.EMPTY, retryable=False)
            await self.assert_works(fetcher)

    @pytest.mark.parametrize("flaw", [Flaw.RESET, Flaw.TRUNCATED, Flaw.ENDS_EARLY, Flaw.FAILED_AFTER])
    @pytest.mark.parametrize("size", [2, 1000, 3 * MIB + 5])
    async def test_a_body_that_breaks_off(self, size: int, flaw: Flaw) -> None:
        """A body that breaks off half-way raises a retryable ``FetchError``, never a short body."""
        body = Body(size)
        source = await self.serve_with(flaw, body)
        async with self.opened() as fetcher:
            done = await fetch(fetcher, source)
            assert_error(done, FetchError, f"{flaw} after half of {size} bytes", retryable=True)
            assert_beginning(done, body, flaw)
            await self.assert_works(fetcher)

    async def test_a_body_without_end(self) -> None:
        """An endless body raises ``BodyTooLarge``, and at most ``max_bytes`` bytes come out."""
        source = await self.serve_with(Flaw.ENDLESS, Body(LIMIT))
        async with self.opened(FetchLimits(max_bytes=LIMIT)) as fetcher:
            done = await fetch(fetcher, source)
            assert_error(done, BodyTooLarge, Flaw.ENDLESS, retryable=False)
            assert len(done.data) <= LIMIT, f"{len(done.data)} bytes were given where {LIMIT} are allowed"
            await self.assert_works(fetcher)

    @pytest.mark.parametrize("size", [2, 1000, 3 * MIB + 5])
    async def test_a_body_longer_than_announced(self, size: int) -> None:
        """A body longer than announced gives the announced bytes, or a ``FetchError``."""
        body = Body(size)
        source = await self.serve_with(Flaw.TOO_LONG, body)
        async with self.opened() as fetcher:
            done = await fetch(fetcher, source)
            if done.error is None:
                announced = done.fetched and done.fetched.content_length
                assert announced is None or len(done.data) == announced, (
                    f"{announced} announced, {len(done.data)} given"
                )
            else:
                assert_error(done, FetchError, Flaw.TOO_LONG)
            assert_beginning(done, body, Flaw.TOO_LONG)
            await self.assert_works(fetcher)

    async def test_a_redirect_loop(self) -> None:
        """A loop of redirects ends with an error that is not retryable."""
        source = await self.serve_with(Flaw.REDIRECT_LOOP, Body(1000))
        async with self.opened() as fetcher:
            done = await fetch(fetcher, source)
            assert_error(done, (TooManyRedirects, RedirectNotAllowed), Flaw.REDIRECT_LOOP, retryable=False)
            await self.assert_works(fetcher)

    async def test_flaws_do_no_harm_to_others(self) -> None:
        """Good sources are fetched completely while all flawed sources are fetched too."""
        bodies = [Body(min(50_000, self.largest_body), seed=nth) for nth in range(2 + len(self.flaws))]
        async with self.opened(FetchLimits(max_bytes=LIMIT)) as fetcher:
            good = [fetch(fetcher, await self.serve(body)) for body in bodies]
            sources = [await self.serve_flawed(flaw, Body(1000)) for flaw in self.flaws]
            bad = [asyncio.ensure_future(fetch(fetcher, source)) for source in sources]
            try:
                for nth, (done, body) in enumerate(zip(await asyncio.gather(*good), bodies, strict=True)):
                    assert_whole(done, body, f"good source {nth} beside bad ones")
            finally:
                for task in bad:
                    task.cancel()
                await asyncio.gather(*bad, return_exceptions=True)
            await self.assert_works(fetcher)
