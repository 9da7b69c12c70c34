"""Fetches ftp URLs by ``ftplib``, through ``lading.plugins.net``."""

import asyncio
import ftplib
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn

from pydantic import Field

from lading.plugins import Fetched, Fetcher, Source
from lading.plugins.errors import (
    BodyEmpty,
    BodyTooLarge,
    BodyTruncated,
    ConnectionLost,
    FetchError,
    FetchTimeout,
    HeaderNotAllowed,
    OriginDenied,
    OriginNotFound,
    OriginProtocolError,
    OriginUnavailable,
    UrlInvalid,
)
from lading.plugins.net import NetworkGuard, NetworkOptions, Session

PIECE_BYTES = 64 * 1024
_URL = re.compile(r"ftp://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?(/[!-~]+)", re.IGNORECASE)


class FtpOptions(NetworkOptions):
    max_bytes: int = Field(32 * 1024**2, ge=1, description="Longest file, in bytes.")
    seconds: float = Field(60, gt=0, description="Seconds that a fetch may take.")


@dataclass(frozen=True)
class FtpUrl:
    host: str
    port: int
    path: str = field(repr=False)


class Transfer(ftplib.FTP):
    """A control connection, and the data connection of one file."""

    def __init__(self, fetcher: "FtpFetcher", session: Session) -> None:
        super().__init__(timeout=fetcher.limits.seconds)
        self.fetcher = fetcher
        self.session = session
        self.data: socket.socket | None = None
        self.announced: int | None = None

    def begin(self, url: FtpUrl) -> None:
        """Log in and ask for the file. Blocks."""
        try:
            self.reach(url)
            self.login()
            self.voidcmd("TYPE I")
            with suppress(ftplib.error_perm):  # no size is told
                self.announced = self.size_of(url.path)
            self.data, _ = self.ntransfercmd(f"RETR {url.path}")
        except BaseException:
            self.end()
            raise

    def reach(self, url: FtpUrl) -> None:
        self.sock = self.session.create_connection((url.host, url.port), self.timeout)
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

    def makepasv(self) -> tuple[str, int]:
        assert self.sock is not None
        _, port = ftplib.parse227(self.sendcmd("PASV"))
        return self.sock.getpeername()[0], port

    def size_of(self, path: str) -> int | None:
        return self.size(path)

    def read(self) -> bytes:
        """The next bytes; empty at the end, once the server has said that all is sent. Blocks."""
        assert self.data is not None
        piece = self.data.recv(PIECE_BYTES)
        if not piece:
            self.data.close()
            self.finish()
        return piece

    def finish(self) -> None:
        self.voidresp()

    def end(self) -> None:
        if self.data is not None:
            self.data.close()
        self.close()


class FtpFetcher(Fetcher):
    contract_version = 1
    kind = "ftp"
    schemes = frozenset({"ftp"})
    Options = FtpOptions
    transfer: ClassVar[type[Transfer]] = Transfer

    def __init__(self, options: FtpOptions) -> None:
        super().__init__(options)
        self.limits = options
        self.guard = NetworkGuard(options)

    def check(self, source: Source) -> None:
        self.parse(source)

    def parse(self, source: Source) -> FtpUrl:
        if source.headers:
            raise HeaderNotAllowed(name="any", reason="FTP has no headers")
        found = _URL.fullmatch(source.url)
        if found is None or int(found[2] or 21) not in range(1, 65536) or "//" in found[3]:
            raise self.refused(source)
        return FtpUrl(self.judged(found[1]), int(found[2] or 21), found[3])

    def refused(self, source: Source) -> FetchError:
        return UrlInvalid(reason="it does not have the form ftp://host/path")

    def judged(self, host: str) -> str:
        return self.guard.check(host)

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        url = self.parse(source)
        deadline = asyncio.get_running_loop().time() + self.limits.seconds
        async with self.guard.session() as session:
            transfer = self.transfer(self, session)
            try:
                async with self.limited(deadline, source):
                    await self.begun(transfer, url)
                if transfer.announced == 0:
                    raise BodyEmpty
                if (transfer.announced or 0) > self.limits.max_bytes:
                    raise BodyTooLarge(limit=self.limits.max_bytes)
                async with aclosing(self.chunks(transfer, deadline, source)) as chunks:
                    yield Fetched(chunks, transfer.announced)
            finally:
                transfer.end()

    async def begun(self, transfer: Transfer, url: FtpUrl) -> None:
        await transfer.session.call(transfer.begin, url)

    async def piece(self, transfer: Transfer) -> bytes:
        return await transfer.session.call(transfer.read)

    async def chunks(self, transfer: Transfer, deadline: float, source: Source) -> AsyncGenerator[bytes, None]:
        size = 0
        while True:
            async with self.limited(deadline, source):
                piece = await self.piece(transfer)
            if not piece:
                break
            size += len(piece)
            if size > self.limits.max_bytes:
                raise BodyTooLarge(limit=self.limits.max_bytes)
            if transfer.announced is not None and size > transfer.announced:
                raise BodyTruncated("more came than was announced")
            yield piece
        self.check_size(transfer, size)

    def check_size(self, transfer: Transfer, size: int) -> None:
        if not size:
            raise BodyEmpty
        if size < (transfer.announced or 0):
            raise BodyTruncated

    @asynccontextmanager
    async def limited(self, deadline: float, source: Source) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except FetchError:
            raise
        except TimeoutError:
            raise FetchTimeout(phase="the whole fetch", seconds=f"{self.limits.seconds:g}") from None
        except (OSError, EOFError, ftplib.Error) as error:
            self.translate(error, source)

    def translate(self, error: Exception, source: Source) -> NoReturn:
        if isinstance(error, ftplib.error_perm):
            kind = OriginNotFound if str(error).startswith("550") else OriginDenied
            raise kind(status=str(error)[:3]) from None
        if isinstance(error, ftplib.error_temp):
            raise OriginUnavailable(status=str(error)[:3]) from None
        if isinstance(error, ftplib.Error):
            raise OriginProtocolError(reason="it is not FTP") from None
        raise ConnectionLost(type(error).__name__) from None

    async def close(self) -> None:
        await self.guard.close()
