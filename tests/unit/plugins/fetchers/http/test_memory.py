"""What a fetch keeps in memory: never more than the cap and 2 MiB, and far less where its reader lets go of it."""

import asyncio
from collections.abc import Mapping

import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import FetchError
from lading.plugins.testing.judging import bounded_memory
from lading.plugins.testing.origin import Behaviour, Origin, head, repeat, stall
from tests.unit.plugins.fetchers.http.test_hostile import CHUNKED
from tests.unit.plugins.fetchers.support import http_fetcher

MIB = 1 << 20
CAP = 4 * MIB
PIECE = bytes(64 * 1024)
FETCHES = 8

ENDLESS: Mapping[str, Behaviour] = {
    "body": repeat(head(), PIECE),
    "chunks": repeat(CHUNKED, b"10000\r\n" + PIECE + b"\r\n"),
    "tiny chunks": repeat(CHUNKED, b"1\r\nx\r\n" * 5000),
    "announced length": repeat(head(headers={"Content-Length": str(CAP)}), PIECE),
    "chunk extension": repeat(CHUNKED + b"5;", b"a" * 60_000),
    "chunk size": repeat(CHUNKED, b"0" * 60_000),
    "trailers": repeat(CHUNKED + b"3\r\nabc\r\n0\r\n", b"A: b\r\n" * 10_000),
    "field": repeat(b"HTTP/1.1 200 OK\r\nA: ", b"a" * 60_000),
    "interim responses": repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "answer to a redirect": repeat(head(302, {"Location": "/a"}), PIECE),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.gen_test(timeout=60)
async def test_an_endless_answer_stays_within_the_cap(name: str) -> None:
    async with Origin({"/a": ENDLESS[name]}) as origin:
        async with http_fetcher(max_bytes=CAP, read_timeout=0.5, total_timeout=5) as fetcher:

            async def kept() -> list[bytes]:
                chunks = []
                try:
                    async with fetcher.open(Source(origin.url("/a"))) as fetched:
                        async for chunk in fetched.chunks:
                            chunks.append(chunk)  # noqa: PERF401 - what came before the error is kept as well
                except FetchError:
                    pass
                return chunks

            # Side by side, so that the room which is shared counts once. The origin's own buffers are within it.
            with bounded_memory(name, FETCHES * (CAP + 2 * MIB)):
                bodies = await asyncio.gather(*(kept() for _ in range(FETCHES)))
            assert all(sum(map(len, body)) <= CAP for body in bodies)


@pytest.mark.parametrize("name", ["body", "chunks", "announced length", "tiny chunks"])
@pytest.mark.gen_test(timeout=60)
async def test_a_reader_that_does_not_read_holds_the_origin_back(name: str) -> None:
    async with Origin({"/a": ENDLESS[name]}) as origin, http_fetcher(max_bytes=CAP) as fetcher:
        with bounded_memory(name, 8 * MIB):
            async with fetcher.open(Source(origin.url("/a"))):
                await asyncio.sleep(0.5)


@pytest.mark.gen_test(timeout=60)
async def test_heads_are_held_back_too() -> None:
    almost = b"HTTP/1.1 200 OK\r\nA: " + b"a" * 32_000
    async with Origin({"/a": stall(almost)}) as origin:
        async with http_fetcher(head_timeout=0.5) as fetcher:

            async def refused() -> None:
                with pytest.raises(FetchError):
                    async with fetcher.open(Source(origin.url("/a"))):
                        pass

            with bounded_memory("heads", 8 * MIB):
                await asyncio.gather(*(refused() for _ in range(20)))
        assert len(origin.requests) == 20
