"""A connection reads a head in small pieces and a body in large ones."""

import asyncio
import itertools
import re
import socket

import pytest

from lading.service.api.http.connections.early_answers import EarlyAnswers
from lading.service.api.http.connections.long_heads import Refusals
from lading.service.api.http.connections.server import END_OF_HEAD, LITTLE, Stream
from lading.service.api.http.in_flight import InFlight

LONG = 1_000_000


@pytest.mark.gen_test
async def test_a_body_is_read_in_larger_pieces_than_the_heads_around_it() -> None:
    ours, theirs = socket.socketpair()
    in_flight = InFlight()
    stream = Stream(ours, Refusals(4096, in_flight), EarlyAnswers(in_flight))
    sizes: list[int] = []
    read = stream.read_from_fd

    def read_from_fd(buffer: bytearray | memoryview) -> int | None:
        sizes.append(len(buffer))
        return read(buffer)

    stream.read_from_fd = read_from_fd  # type: ignore[method-assign, assignment]
    try:
        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(None, theirs.sendall, b"head\r\n\r\n" + b"x" * LONG + b"next\r\n\r\n")
        assert await stream.read_until_regex(b"\r\n\r\n") == b"head\r\n\r\n"
        assert set(sizes) == {LITTLE}
        sizes.clear()
        assert await stream.read_bytes(LONG) == b"x" * LONG
        assert set(sizes) == {65536}
        await sending
        sizes.clear()
        assert await stream.read_until_regex(b"\r\n\r\n") == b"next\r\n\r\n"
        assert set(sizes) <= {LITTLE}
        short = stream.read_bytes(10)
        theirs.sendall(b"y" * 10)
        assert await short == b"y" * 10
        assert set(sizes) == {LITTLE}
    finally:
        stream.close()
        theirs.close()


def test_a_head_ends_where_tornado_ends_it() -> None:
    theirs, ours = re.compile(rb"\r?\n\r?\n"), re.compile(END_OF_HEAD)
    for signs in itertools.product((b"\r", b"\n", b"a"), repeat=7):
        head = b"".join(signs)
        expected, found = theirs.search(head), ours.search(head)
        assert (found and found.end()) == (expected and expected.end())
