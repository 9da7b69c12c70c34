"""Closing and cancelling leave nothing behind."""

import asyncio
import threading

import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import FetchError
from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.plugins.testing.origin import Behaviour, Origin, answer, head, repeat, stall
from tests.unit.plugins.fetchers.support import fetch, http_fetcher, http_options


async def until_requested(origin: Origin, number: int) -> None:
    while len(origin.requests) < number:
        await asyncio.sleep(0.01)


def open_sockets(fetcher: HttpFetcher) -> int:
    response_class = fetcher._client._session._response_class
    made = response_class.sockets._made  # type: ignore[attr-defined]
    return sum(one.fileno() != -1 for one in made)


@pytest.mark.gen_test
async def test_closing_twice_is_harmless_and_opening_later_is_an_error() -> None:
    async with Origin({"/a": answer(b"image")}) as origin:
        fetcher = HttpFetcher(http_options())
        await fetch(fetcher, origin.url("/a"))
        await fetcher.close()
        await fetcher.close()
        with pytest.raises(FetchError, match="closed") as caught:
            await fetch(fetcher, origin.url("/a"))
        assert caught.value.retryable
        assert len(origin.requests) == 1
        assert open_sockets(fetcher) == 0


@pytest.mark.gen_test
async def test_an_unused_fetcher_can_be_closed() -> None:
    await HttpFetcher(http_options()).close()


@pytest.mark.parametrize("behaviour", [stall(), stall(head() + b"abc"), repeat(head(), b"x" * 1000, 0.01)])
@pytest.mark.gen_test
async def test_closing_ends_fetches_under_way_with_an_error(behaviour: Behaviour) -> None:
    async with Origin({"/a": behaviour}) as origin, http_fetcher(connections=3) as fetcher:
        # Two more than may run at once: they wait for their turn.
        tasks = [asyncio.create_task(fetch(fetcher, origin.url("/a"))) for _ in range(5)]
        await until_requested(origin, 3)
        await fetcher.close()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, FetchError)
            assert result.internal == "the fetcher was closed"
            assert result.retryable
        assert open_sockets(fetcher) == 0


@pytest.mark.gen_test
async def test_closing_ends_lookups_under_way() -> None:
    asked, release = threading.Event(), threading.Event()

    def look_up(_: str) -> tuple[str, ...]:
        asked.set()
        release.wait(30)
        return ("1.1.1.1",)

    async with http_fetcher(lookup=look_up) as fetcher:
        task = asyncio.create_task(fetch(fetcher, "http://images.example/"))
        while not asked.is_set():
            await asyncio.sleep(0.01)
        await fetcher.close()
        with pytest.raises(FetchError, match="closed"):
            await task
        release.set()


@pytest.mark.gen_test
async def test_a_reader_between_two_pieces_meets_the_error_at_the_next() -> None:
    async with Origin({"/a": repeat(head(), b"x" * 1000, 0.01)}) as origin, http_fetcher() as fetcher:
        async with fetcher.open(Source(origin.url("/a"))) as fetched:
            await anext(fetched.chunks)
            await fetcher.close()
            with pytest.raises(FetchError, match="closed"):
                await anext(fetched.chunks)


@pytest.mark.parametrize("behaviour", [stall(), stall(b"HTTP/1.1 200 OK\r\n"), stall(head() + b"abc")])
@pytest.mark.gen_test
async def test_cancelling_frees_the_connection_and_the_turn(behaviour: Behaviour) -> None:
    async with Origin({"/a": behaviour, "/b": answer(b"image")}) as origin, http_fetcher(connections=1) as fetcher:
        task = asyncio.create_task(fetch(fetcher, origin.url("/a")))
        await until_requested(origin, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await fetch(fetcher, origin.url("/b")) == b"image"
        assert origin.connections == 2
        await asyncio.sleep(0)
        assert open_sockets(fetcher) == 1


@pytest.mark.gen_test
async def test_no_task_outlives_a_fetch() -> None:
    async with Origin({"/a": answer(b"image"), "/b": stall()}) as origin, http_fetcher(head_timeout=0.1) as fetcher:
        before = len(asyncio.all_tasks()) + 1  # and the origin's task for the connection
        await fetch(fetcher, origin.url("/a"))
        with pytest.raises(FetchError):
            await fetch(fetcher, origin.url("/b"))
        assert len(asyncio.all_tasks()) <= before


@pytest.mark.gen_test
async def test_the_same_source_may_be_opened_again_and_at_once() -> None:
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher() as fetcher:
        source = Source(origin.url("/a"))
        async with fetcher.open(source) as one, fetcher.open(source) as two:
            assert [chunk async for chunk in two.chunks] == [b"image"]
            assert [chunk async for chunk in one.chunks] == [b"image"]
