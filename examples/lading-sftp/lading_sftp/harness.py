"""What cases need of ``SftpFetcher``: a real SFTP server, started once, with files as good or bad as a case wants."""

import atexit
import functools
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import asyncssh
import pytest

from lading.plugins import Fetcher, Source
from lading.plugins.testing import Body, FetcherHarness, FetchLimits, Flaw
from lading_sftp.fetcher import SftpFetcher
from lading_sftp.options import SftpOptions
from lading_sftp.server import LOOPBACK, RunningServer, ServerFacts, ServerSettings, start_server

USERNAME = "lading"
MIB = 1024 * 1024


class TestServer:
    """The server of this process, with the folder that it serves.

    Attributes:
        root: that folder.
        password: what ``USERNAME`` logs in with.
        client_key: what anybody may log in with instead.
        facts: what the server said of itself.
    """

    __test__ = False

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="lading-sftp-"))
        self.password = secrets.token_urlsafe()
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        public = self.client_key.export_public_key().decode().strip()
        settings = ServerSettings(str(self.root), USERNAME, self.password, public)
        self._running: RunningServer = start_server(settings)

    @property
    def facts(self) -> ServerFacts:
        return self._running.facts

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return self._running.process.pid

    def options(self) -> dict[str, Any]:
        """The options that lead to it, on any of its ports."""
        facts = self.facts
        ports = (facts.port, facts.down_port, facts.silent_port, facts.hanging_up_port, facts.shell_port)
        return {
            "hosts": tuple(f"{LOOPBACK}:{port}" for port in ports),
            "username": USERNAME,
            "password": self.password,
            "host_keys": (f"{LOOPBACK} {self.facts.host_key}",),
        }

    def put(self, folder: str, body: Body, name: str) -> Path:
        """A new file with the body, somewhere in that folder; its path from the root."""
        path = Path(folder) / secrets.token_hex(8) / name
        (self.root / path).parent.mkdir(parents=True)
        with (self.root / path).open("wb") as file:
            file.writelines(body.pieces(MIB))
        return path

    def clear(self) -> None:
        """Remove every file."""
        for folder in self.root.iterdir():
            shutil.rmtree(folder)

    def stop(self) -> None:
        """End the server and remove its folder."""
        self._running.stop()
        shutil.rmtree(self.root)


@functools.cache
def shared_server() -> TestServer:
    """The server of this process; it is started once and ends with the process."""
    server = TestServer()
    atexit.register(server.stop)
    return server


class SftpHarness(FetcherHarness):
    """What cases need of this fetcher."""

    unsupported: ClassVar[Mapping[str, str]] = {
        Flaw.REDIRECT_LOOP: "SFTP has no redirects",
        Flaw.LEADS_ELSEWHERE: "SFTP has no redirects",
    }
    refused_urls: ClassVar[Sequence[str]] = (
        "sftp:///picture.png",
        f"sftp://{LOOPBACK}/picture.png",
        f"sftp://{LOOPBACK}:0/picture.png",
        "sftp://elsewhere.example/picture.png",
        f"sftp://somebody@{LOOPBACK}/picture.png",
        f"sftp://{USERNAME}:secret@{LOOPBACK}/picture.png",
    )
    server: TestServer

    @pytest.fixture(autouse=True)
    def _server(self) -> None:
        # Before the case, which takes a child that it did not find when it began for a leak.
        self.server = shared_server()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """See ``Suite.running``: the case's files are removed after it."""
        try:
            yield
        finally:
            self.server.clear()

    def make_fetcher(self, limits: FetchLimits) -> Fetcher:
        """See ``FetcherHarness.make_fetcher``."""
        return SftpFetcher(self.options(max_bytes=limits.max_bytes, total_timeout=limits.seconds))

    def options(self, **changes: Any) -> SftpOptions:
        """Those of ``service.conf``, if there are any, with this suite's own server and with the changes."""
        configured = self.configured.model_dump() if isinstance(self.configured, SftpOptions) else {}
        own = {"known_hosts": None, "private_key": None, "root": "/", "allow_users": (), **self.server.options()}
        own["connections"] = max(configured.get("connections", 0), 8)  # as many as the cases need
        return SftpOptions.model_validate({**configured, **own, **changes})

    async def serve(self, body: Body) -> Source:
        """See ``FetcherHarness.serve``."""
        return self.source(self.put("good", body))

    async def serve_flawed(self, flaw: Flaw, body: Body) -> Source:
        """See ``FetcherHarness.serve_flawed``."""
        match flaw:
            case Flaw.MISSING:
                return self.source("good/missing.png")
            case Flaw.DOWN:
                return self.source("picture.png", self.server.facts.down_port)
            case Flaw.SILENT:
                return self.source("picture.png", self.server.facts.silent_port)
            case Flaw.HANGS_UP:
                return self.source("picture.png", self.server.facts.hanging_up_port)
        return self.source(self.put(flaw.value, body))

    def put(self, folder: str, body: Body, name: str = "picture.png") -> Path:
        """See ``TestServer.put``; ``server.FOLDERS`` says what folders mean."""
        return self.server.put(folder, body, name)

    def source(self, path: Path | str, port: int | None = None) -> Source:
        """The source for a path of the server, or of what is on another port of it."""
        return Source(f"sftp://{LOOPBACK}:{port or self.server.facts.port}/{path}")
