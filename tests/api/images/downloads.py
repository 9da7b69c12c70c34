"""Downloads that tests look into: what is open of a storage, and a client that reads when it is told to."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from lading.plugins.contracts import StoredObject
from lading.service.images.operations import StoredImage
from tests.api.conftest import Assembled
from tests.support.images import path_of, read_head, request_of
from tests.support.plugins.scripted import until

MIB = 1024 * 1024


class Watched:
    """The storage of a service: what is open of it, and what goes wrong with it.

    Attributes:
        opened: how many objects are open.
        before_piece: awaited before each piece, with its number.
    """

    def __init__(self, assembled: Assembled) -> None:
        self.opened = 0
        self.pieces = 0
        self.before_piece: Callable[[int], Any] | None = None
        backend: Any = assembled.parts.storage.backend
        self._open = backend.open
        backend.open = self.open

    @asynccontextmanager
    async def open(self, key: str, **part: Any) -> AsyncIterator[StoredObject]:
        async with self._open(key, **part) as stored:
            self.opened += 1
            try:
                yield StoredObject(stored.byte_size, self._chunks(stored.chunks))
            finally:
                self.opened -= 1

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        number = 0
        async for chunk in chunks:
            if self.before_piece is not None:
                await self.before_piece(number)
            number += 1
            self.pieces += 1
            yield chunk


async def nothing_is_left(assembled: Assembled, watched: Watched) -> None:
    await until(lambda: watched.opened == 0 and assembled.resources.images.images.downloads.taken == 0)
    await assembled.resources.common.in_flight.drained(10)
    assert not assembled.resources.common.in_flight._requests


class Reader:
    """A client that has asked for the bytes, over a connection with small buffers, and reads when it is told to."""

    def __init__(self, client: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.client = client
        self._reader = reader
        self._writer = writer

    async def head(self) -> tuple[int, dict[str, str]]:
        return await read_head(self._reader)

    async def skip(self, count: int) -> None:
        await self._reader.readexactly(count)

    async def rest(self) -> tuple[bytes, Exception | None]:
        """Everything that still comes, and how it ended: None where in good order."""
        body = bytearray()
        try:
            while piece := await self._reader.read(MIB):
                body += piece
        except ConnectionError as error:
            return bytes(body), error
        return bytes(body), None

    def leave(self, *, reset: bool = False) -> None:
        if reset:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@asynccontextmanager
async def reading(port: int, found: StoredImage, headers: dict[str, str]) -> AsyncIterator[Reader]:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client, limit=32 * 1024)
    writer.write(request_of(path_of(found, "/content"), headers))
    download = Reader(client, reader, writer)
    try:
        yield download
    finally:
        download.leave()
