"""How long a connection rests after a read."""

import asyncio

import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import FetchTimeout
from lading.plugins.fetchers.http.wire.pace import Pace
from lading.plugins.testing.origin import Exchange, Origin, answer, head
from tests.unit.plugins.fetchers.support import fetch, http_fetcher

LONG = 64 * 1024
SEGMENT = 1460


def busy_part(reads: int, read_bytes: int, chunks: int) -> float:
    """The part of the loop's time that so many reads take, rests included, with 0.1 ms for a read and 3 us a chunk."""
    pace = Pace()
    rested = sum(pace.rest_after(read_bytes, chunks) for _ in range(reads))
    worked = reads * (1e-4 + chunks * 3e-6)
    return worked / (worked + rested)


def test_the_first_reads_are_free() -> None:
    pace = Pace()
    assert [pace.rest_after(1, 0) for _ in range(199)] == [0.0] * 199


@pytest.mark.parametrize("chunks", [0, 64, 5000])
def test_a_response_without_end_takes_one_part_in_32(chunks: int) -> None:
    assert busy_part(100_000, LONG, chunks) == pytest.approx(1 / 32, rel=0.1)


@pytest.mark.parametrize("read_bytes", [1, SEGMENT])
def test_a_response_in_short_segments_takes_less(read_bytes: int) -> None:
    assert busy_part(100_000, read_bytes, 0) < 1 / 200


def test_each_response_begins_anew() -> None:
    pace = Pace()
    while not pace.rest_after(LONG, 0):
        pass
    pace.restart()
    assert pace.rest_after(LONG, 0) == 0.0


@pytest.mark.gen_test
async def test_bytes_that_arrive_during_a_rest_are_read_together() -> None:
    """Segments of one byte: the kernel gathers them, so there are fewer pieces than bytes, and none is lost."""
    body = bytes(range(250)) * 24

    async def segments(exchange: Exchange) -> bool:
        await exchange.send(head(headers={"Content-Length": str(len(body))}))
        for byte in body:
            await exchange.send(bytes([byte]))
        return True

    async with Origin({"/a": segments}) as origin, http_fetcher() as fetcher:
        async with fetcher.open(Source(origin.url("/a"))) as fetched:
            pieces = [piece async for piece in fetched.chunks]
        assert b"".join(pieces) == body
        assert len(pieces) < 1500, "each segment was read by itself"
        assert await fetch(fetcher, origin.url("/a")) == body, "the connection rests for ever"
    assert origin.connections == 1


@pytest.fixture
def endless_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection rests for an hour after each read of a response."""
    monkeypatch.setattr(Pace, "rest_after", lambda *_: 3600.0)


@pytest.mark.gen_test
@pytest.mark.usefixtures("endless_rests")
async def test_taking_a_piece_does_not_end_the_rest() -> None:
    async def slow(exchange: Exchange) -> bool:
        await exchange.send(head(headers={"Content-Length": "3"}) + b"a")
        await asyncio.sleep(0.05)
        await exchange.send(b"bc")
        return True

    async with Origin({"/a": slow}) as origin, http_fetcher(read_timeout=0.5) as fetcher:
        async with fetcher.open(Source(origin.url("/a"))) as fetched:
            pieces = aiter(fetched.chunks)
            assert await anext(pieces) == b"a"
            with pytest.raises(FetchTimeout):
                await anext(pieces)


@pytest.mark.gen_test
@pytest.mark.usefixtures("endless_rests")
async def test_a_rest_ends_with_its_response() -> None:
    """The connection is used again at once."""
    async with Origin({"/a": answer(b"abc")}) as origin, http_fetcher() as fetcher:
        for _ in range(3):
            assert await fetch(fetcher, origin.url("/a")) == b"abc"
    assert origin.connections == 1
