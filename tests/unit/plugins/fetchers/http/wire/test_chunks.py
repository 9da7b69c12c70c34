"""What chunks may spend on their framing (RFC 9112 section 7.1)."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from lading.plugins.contracts import Source
from lading.plugins.errors import BodyTooLarge, OriginProtocolError
from lading.plugins.testing.origin import Behaviour, Exchange, Origin, head, raw
from tests.unit.plugins.fetchers.support import fetch, http_fetcher

CHUNKED = head(headers={"Transfer-Encoding": "chunked"})
MIB = 1024 * 1024


def chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    parts = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n\r\n"


def counted(first: bytes, again: bytes, sent: list[int]) -> Behaviour:
    """Sends without end, and counts what it sent."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(first)
        while True:
            await exchange.send(again)
            sent.append(len(again))

    return behave


ENDLESS = {
    "of one byte": b"1\r\nX\r\n",
    "of eight bytes": b"8\r\n12345678\r\n",
    "of sixty bytes": b"3c\r\n" + b"x" * 60 + b"\r\n",
    "of a hundred bytes": b"64\r\n" + b"x" * 100 + b"\r\n",
    "with a leading zero": b"00000001\r\nX\r\n",
    "with extensions": b'10;a="b";c\r\n' + b"x" * 16 + b"\r\n",
    "with one long extension": b"1000;" + b"e" * 4096 + b"\r\n" + b"x" * 4096 + b"\r\n",
}


@pytest.mark.parametrize("chunk", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.gen_test
async def test_an_endless_row_of_chunks_ends_soon(chunk: bytes) -> None:
    sent: list[int] = []
    async with (
        Origin({"/a": counted(CHUNKED, chunk * 200, sent)}) as origin,
        http_fetcher(max_bytes=1024 * MIB) as fetcher,
    ):
        with pytest.raises(OriginProtocolError, match="framing of its chunks") as caught:
            await fetch(fetcher, origin.url("/a"))
    assert not caught.value.retryable
    # The system's buffers, on both sides, hold more than the fetcher reads.
    assert sum(sent) < 16 * MIB


@pytest.mark.gen_test
async def test_the_framing_counts_while_the_reader_does_not_read() -> None:
    """A reader that waits finds as much as was allowed, and not more."""
    sent: list[int] = []
    async with Origin({"/a": counted(CHUNKED, b"1\r\nX\r\n" * 1000, sent)}) as origin, http_fetcher() as fetcher:
        async with fetcher.open(Source(origin.url("/a"))) as fetched:
            await asyncio.sleep(0.1)
            with pytest.raises(OriginProtocolError, match="framing of its chunks"):
                async for _ in fetched.chunks:
                    pass


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("size", "length", "extension"),
    [
        (1, 3000, b""),
        (16, 45_000, b""),
        (100, 300_000, b""),
        (256, 2_500_000, b""),
        (256, MIB, b";a"),
        (1000, 9 * MIB, b""),
        (4096, 3 * MIB, b';signature="0123456789abcdef"'),
        (65_536, 9 * MIB, b""),
    ],
)
@pytest.mark.gen_test
async def test_chunks_as_servers_send_them_pass(size: int, length: int, extension: bytes) -> None:
    body = bytes(range(250)) * (length // 250)
    async with Origin({"/a": raw(CHUNKED + chunks(body, size, extension), keep=True)}) as origin:
        async with http_fetcher() as fetcher:
            for _ in range(2):
                assert await fetch(fetcher, origin.url("/a")) == body
    assert origin.connections == 1


@pytest.mark.gen_test
async def test_tiny_chunks_behind_a_long_one_are_counted_as_well() -> None:
    first = CHUNKED + b"100000\r\n" + bytes(MIB) + b"\r\n"
    sent: list[int] = []
    async with Origin({"/a": counted(first, b"1\r\nX\r\n" * 1000, sent)}) as origin, http_fetcher() as fetcher:
        with pytest.raises(OriginProtocolError, match="framing of its chunks"):
            await fetch(fetcher, origin.url("/a"))
    assert sum(sent) < 16 * MIB


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_other_work_goes_on_between_the_chunks(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    # So much arrives before the fetch is looked at that it would be read at once, were it not for the bound.
    body = bytes(1024) * 100
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def read() -> list[int]:
        async with Origin({"/a": raw(CHUNKED + chunks(body, 40))}) as origin, http_fetcher() as fetcher:
            counting = asyncio.create_task(count())
            async with fetcher.open(Source(origin.url("/a"))) as fetched:
                sizes = [len(piece) async for piece in fetched.chunks]
            counting.cancel()
            return sizes

    with asyncio.Runner(loop_factory=new_loop) as runner:
        sizes = runner.run(read())
    assert sum(sizes) == len(body)
    assert max(sizes) <= 4 * 1024, "libuv reads one connection again and again while there is more"
    assert turns > len(body) // (4 * 1024), "all of it was read at once"


@pytest.mark.gen_test
async def test_a_body_over_the_limit_is_still_that() -> None:
    async with Origin({"/a": raw(CHUNKED + chunks(bytes(5000), 1000))}) as origin:
        async with http_fetcher(max_bytes=4000) as fetcher:
            with pytest.raises(BodyTooLarge):
                await fetch(fetcher, origin.url("/a"))
