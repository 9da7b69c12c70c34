"""How long a connection rests after a read."""

import pytest

from lading.plugins.contracts import Source
from lading.plugins.fetchers.http.wire.pace import Pace
from lading.plugins.testing.origin import Exchange, Origin, head
from tests.unit.plugins.fetchers.support import fetch, http_fetcher


def busy_part(reads: int, chunks: int) -> float:
    """The part of the loop's time that so many reads take, rests included, with 0.1 ms for a read and 3 us a chunk."""
    pace = Pace()
    rested = sum(pace.rest_after(chunks) for _ in range(reads))
    worked = reads * (1e-4 + chunks * 3e-6)
    return worked / (worked + rested)


def test_the_first_reads_are_free() -> None:
    pace = Pace()
    assert [pace.rest_after(0) for _ in range(199)] == [0.0] * 199


@pytest.mark.parametrize("chunks", [0, 64, 5000])
def test_a_response_without_end_takes_one_part_in_32(chunks: int) -> None:
    assert busy_part(100_000, chunks) == pytest.approx(1 / 32, rel=0.1)


def test_each_response_begins_anew() -> None:
    pace = Pace()
    while not pace.rest_after(0):
        pass
    pace.restart()
    assert pace.rest_after(0) == 0.0


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
