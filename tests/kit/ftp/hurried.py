"""The FTP fetcher with one mistake each, as authors in a hurry have made them."""

import asyncio
import contextlib
import ftplib
import logging
import re
import socket
from dataclasses import replace
from ipaddress import ip_address
from typing import NoReturn

from lading.plugins import Source
from lading.plugins.errors import AddressNotAllowed, ConnectFailed, FetchError, OriginProtocolError, UrlInvalid
from tests.kit.ftp.fetcher import FtpFetcher, FtpUrl, Transfer

_log = logging.getLogger(__name__)


class PlainTransfer(Transfer):
    def reach(self, url: FtpUrl) -> None:
        self.connect(url.host, url.port)


class HasNoGuard(FtpFetcher):
    """``asyncio.to_thread`` around ``ftplib``, as its examples have it."""

    transfer = PlainTransfer

    def judged(self, host: str) -> str:
        return host

    async def begun(self, transfer: Transfer, url: FtpUrl) -> None:
        await asyncio.to_thread(transfer.begin, url)


class ChecksLiteralsAlone(HasNoGuard):
    def judged(self, host: str) -> str:
        return self.guard.check(host)


class BelievesIpaddress(HasNoGuard):
    """``is_private`` is not all that is special."""

    def judged(self, host: str) -> str:
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            return super(HasNoGuard, self).judged(host)
        if (address.is_private or address.is_link_local or address.is_multicast) and str(address) != "127.0.0.1":
            raise AddressNotAllowed
        return str(address)


class LooksUpTwice(ChecksLiteralsAlone):
    async def begun(self, transfer: Transfer, url: FtpUrl) -> None:
        await self.guard.resolve(url.host)
        await super().begun(transfer, url)


class JudgesTheFirstAddress(LooksUpTwice):
    async def begun(self, transfer: Transfer, url: FtpUrl) -> None:
        infos = await asyncio.to_thread(socket.getaddrinfo, url.host, url.port, type=socket.SOCK_STREAM)
        if not self.guard.policy.verdict(str(infos[0][4][0])).allowed:
            raise AddressNotAllowed
        await asyncio.to_thread(transfer.begin, url)


class TrustsThePassiveAddress(FtpFetcher):
    class transfer(Transfer):  # noqa: N801
        def makepasv(self) -> tuple[str, int]:
            return ftplib.parse227(self.sendcmd("PASV"))

    async def begun(self, transfer: Transfer, url: FtpUrl) -> None:
        await self.guard.resolve(url.host)
        await asyncio.to_thread(transfer.begin, url)


class TriesTheForbiddenAgain(FtpFetcher):
    async def begun(self, transfer: Transfer, url: FtpUrl) -> None:
        try:
            await super().begun(transfer, url)
        except AddressNotAllowed as error:
            raise ConnectFailed from error

    def judged(self, host: str) -> str:
        return host


class SaysWhereItLeads(FtpFetcher):
    class Told(AddressNotAllowed):
        code = "ftp_address_not_allowed"
        public_text = "The host leads to {address}."

    async def begun(self, transfer: Transfer, url: FtpUrl) -> None:
        try:
            await super().begun(transfer, url)
        except AddressNotAllowed as error:
            raise self.Told(address=error.internal.split(": ")[1]) from error


class IgnoresTheLastWord(FtpFetcher):
    class transfer(Transfer):  # noqa: N801
        def finish(self) -> None:
            self.getmultiline()


class TakesTheEndForTheLastWord(FtpFetcher):
    class transfer(Transfer):  # noqa: N801
        def finish(self) -> None:
            with contextlib.suppress(EOFError):
                super().finish()


class TakesNothingForABody(FtpFetcher):
    def check_size(self, transfer: Transfer, size: int) -> None:
        if size or transfer.announced:
            super().check_size(transfer, size)


class BlamesTheOriginForGood(FtpFetcher):
    def translate(self, error: Exception, source: Source) -> NoReturn:
        if isinstance(error, EOFError):
            raise OriginProtocolError("it hung up")
        super().translate(error, source)


class QuotesThePassword(FtpFetcher):
    def refused(self, source: Source) -> FetchError:
        return UrlInvalid(f"{source.url} is refused", reason="it is malformed")


class OpensWithAPassword(FtpFetcher):
    def check(self, source: Source) -> None:
        super().parse(source)

    def parse(self, source: Source) -> FtpUrl:
        return super().parse(replace(source, url=re.sub("//.*@", "//", source.url)))


class LogsThePassword(FtpFetcher):
    def parse(self, source: Source) -> FtpUrl:
        _log.debug("checking %s", source.url)
        return super().parse(source)


class ForgetsTheSession(FtpFetcher):
    """A thread that nobody can end reads on when the fetch is cancelled."""

    async def piece(self, transfer: Transfer) -> bytes:
        return await asyncio.shield(asyncio.to_thread(transfer.read))
