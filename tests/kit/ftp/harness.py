"""What the kit asks of the author of the FTP fetcher."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import ClassVar

from lading.plugins import Fetcher, Source
from lading.plugins.testing import Body, FetcherHarness, FetchLimits, Flaw
from tests.kit.ftp.fetcher import FtpFetcher, FtpOptions
from tests.kit.ftp.server import LOOPBACK, File, FtpServer


class FtpHarness(FetcherHarness):
    unsupported: ClassVar[Mapping[str, str]] = {Flaw.REDIRECT_LOOP: "FTP has no redirects"}
    refused_urls: ClassVar[Sequence[str]] = ("ftp:", "ftp:///a", "ftp://user:password@h.example/a", "ftp://10.0.0.1/a")
    fetcher: ClassVar[type[FtpFetcher]] = FtpFetcher
    server: FtpServer

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.server = FtpServer()
        try:
            yield
        finally:
            self.server.stop()

    def make_fetcher(self, limits: FetchLimits) -> Fetcher:
        networks = tuple(map(ip_network, limits.networks))
        return self.fetcher(
            FtpOptions(allow_networks=networks, max_bytes=limits.max_bytes, seconds=limits.seconds, resolver="ares")
        )

    async def serve(self, body: Body) -> Source:
        return self.put(File(body))

    async def serve_flawed(self, flaw: Flaw, body: Body) -> Source:
        ports = {
            Flaw.DOWN: self.server.down_port,
            Flaw.SILENT: self.server.silent_port,
            Flaw.HANGS_UP: self.server.hanging_up_port,
        }
        file = File(body, flaw)
        if flaw is Flaw.LEADS_ELSEWHERE:
            file = replace(file, elsewhere=self.forbidden)
        return self.put(file, ports.get(flaw))

    def put(self, file: File, port: int | None = None) -> Source:
        path = f"/{secrets.token_hex(8)}.png"
        self.server.files[path] = file
        return Source(f"ftp://{LOOPBACK}:{port or self.server.port}{path}")
