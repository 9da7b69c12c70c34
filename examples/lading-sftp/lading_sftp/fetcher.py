"""Fetches sftp URLs.

For the operator:

- Only the servers of ``hosts`` are connected to; they are the operator's own, so they may have private addresses.
- A server has to prove with its host key that it is the one of ``known_hosts`` or ``host_keys``; always.
- Each fetch has a connection of its own, which ends with it. Files of keys are read anew for each: a change needs no
  restart.
"""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncssh

from lading.plugins import Fetched, Fetcher, Source
from lading.plugins.errors import BodyEmpty, BodyTooLarge, HeaderNotAllowed, UrlPortNotAllowed
from lading_sftp.clock import Clock
from lading_sftp.connecting import connect, disconnect
from lading_sftp.errors import NotAFile, ServerNotAllowed, UserNotAllowed, translated
from lading_sftp.options import SftpOptions
from lading_sftp.reading import PIECE_BYTES, Body, RemoteFile
from lading_sftp.urls import SftpUrl, parse_sftp_url


class SftpFetcher(Fetcher):
    """See ``Fetcher``; the limits are those of ``SftpOptions``."""

    contract_version = 1
    kind = "sftp"
    schemes = frozenset({"sftp"})
    Options = SftpOptions

    def __init__(self, options: SftpOptions) -> None:
        self._options = options
        self._users = frozenset({options.username, *options.allow_users})
        self._slots = asyncio.Semaphore(options.connections)
        self._clocks: set[Clock] = set()
        self._connections: set[asyncssh.SSHClientConnection] = set()
        self._closed = False

    def check(self, source: Source) -> None:
        """See ``Fetcher.check``."""
        self._checked(source)

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        """See ``Fetcher.open``."""
        url = self._checked(source)
        place = f"{url.server} {url.path!r}"
        async with AsyncExitStack() as stack:
            clock = self._clock(stack)
            async with clock.limit("the wait for other fetches to end", self._options.total_timeout):
                await stack.enter_async_context(self._slots)
            async with clock.limit("connecting", self._options.connect_timeout):
                with translated(place):
                    client = await self._connected(url, stack)
            async with clock.limit("opening the file", self._options.read_timeout):
                with translated(place):
                    size, file = await self._opened(client, url, stack)
            yield Fetched(
                chunks=Body(file, size, clock, self._options, place),
                content_length=size,
                filename=url.filename,
            )

    async def close(self) -> None:
        """See ``Fetcher.close``. Fetches under way end with ``ConnectionLost``."""
        self._closed = True
        for clock in self._clocks:
            clock.stop()
        while self._connections:
            await disconnect(self._connections.pop())

    def _checked(self, source: Source) -> SftpUrl:
        url = parse_sftp_url(source.url)
        if url.server not in self._options.hosts:
            if any(server.host == url.server.host for server in self._options.hosts):
                raise UrlPortNotAllowed(port=url.server.port)
            raise ServerNotAllowed(str(url.server))
        if url.user is not None and url.user not in self._users:
            raise UserNotAllowed(str(url.server))
        for name in source.headers:
            shown = "".join(char if char.isprintable() else "?" for char in name[:64])
            raise HeaderNotAllowed(name=shown, reason="SFTP has no headers")
        return url

    def _clock(self, stack: AsyncExitStack) -> Clock:
        clock = Clock(self._options.total_timeout)
        if self._closed:
            clock.stop()
        self._clocks.add(clock)
        stack.callback(self._clocks.discard, clock)
        return clock

    async def _connected(self, url: SftpUrl, stack: AsyncExitStack) -> asyncssh.SFTPClient:
        connection = await connect(self._options, url.server, url.user or self._options.username)
        stack.push_async_callback(disconnect, connection)
        self._connections.add(connection)
        stack.callback(self._connections.discard, connection)
        return await connection.start_sftp_client()

    async def _opened(
        self, client: asyncssh.SFTPClient, url: SftpUrl, stack: AsyncExitStack
    ) -> tuple[int | None, RemoteFile]:
        """The announced size of the file that the URL names, and its bytes."""
        path = self._options.root.encode().rstrip(b"/") + url.path
        attributes = await client.stat(path)
        # Only a regular file: to open a pipe would hang the server's process.
        if attributes.permissions is not None and not stat.S_ISREG(attributes.permissions):
            raise NotAFile(f"{url.server} {url.path!r}")
        size = attributes.size
        if size is not None and size > self._options.max_bytes:
            raise BodyTooLarge(f"{size} bytes were announced", limit=self._options.max_bytes)
        if size == 0:
            raise BodyEmpty
        opened = await client.open(path, "rb", block_size=0)
        file = RemoteFile(opened, size, client.limits.max_read_len or PIECE_BYTES)
        stack.push_async_callback(file.close)
        return size, file
