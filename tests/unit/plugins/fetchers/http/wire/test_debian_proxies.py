"""Fetches through the proxies that Debian has: tinyproxy for HTTP, microsocks for SOCKS5."""

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lading.plugins.errors import HostNotAllowed, OriginDenied, OriginUnavailable, ProxyUnavailable
from lading.plugins.testing.origin import Origin, answer
from tests.unit.plugins.fetchers.support import fetch, http_fetcher

pytestmark = pytest.mark.long_form
CERTIFICATES = Path(__file__).parents[2] / "certificates"
TINYPROXY = """
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
BasicAuth user password
ConnectPort {connect}
MaxClients 20
Timeout 60
LogLevel Error
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def process(port: int, name: str, *arguments: str) -> AsyncIterator[None]:
    """A proxy, once it listens."""
    program = shutil.which(name)
    if program is None:
        if "proxies" in os.environ.get("LADING_REQUIRE", "").split(","):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    quiet = asyncio.subprocess.DEVNULL
    running = await asyncio.create_subprocess_exec(program, *arguments, stdout=quiet, stderr=quiet)
    try:
        while True:
            assert running.returncode is None, f"{name} has ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                break
        yield
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "localhost.pem")
    return context


@pytest.mark.parametrize("lookup", ["local", "remote"])
@pytest.mark.gen_test(timeout=60)
async def test_tinyproxy(lookup: str, tls: ssl.SSLContext, tmp_path: Path) -> None:
    port, conf = free_port(), tmp_path / "tinyproxy.conf"
    async with (
        Origin({"/a": answer(b"secure" * 50_000)}, tls=tls, name="localhost") as secure,
        Origin({"/a": answer(b"plain" * 50_000)}, name="localhost") as plain,
        Origin(tls=tls, name="localhost") as other,
    ):
        conf.write_text(TINYPROXY.format(port=port, connect=secure.port))
        async with process(port, "tinyproxy", "-d", "-c", str(conf)):
            proxy = f"http://user:password@127.0.0.1:{port}"
            async with http_fetcher(proxy=proxy, proxy_lookup=lookup) as fetcher:
                for _ in range(2):
                    assert await fetch(fetcher, secure.url("/a")) == b"secure" * 50_000
                    assert await fetch(fetcher, plain.url("/a")) == b"plain" * 50_000
                with pytest.raises(HostNotAllowed):
                    await fetch(fetcher, other.url("/a"))
                with pytest.raises(OriginUnavailable):
                    await fetch(fetcher, f"http://localhost:{free_port()}/")
            for login in ("user:wrong@", ""):
                async with http_fetcher(proxy=f"http://{login}127.0.0.1:{port}", proxy_lookup=lookup) as fetcher:
                    with pytest.raises(ProxyUnavailable):
                        await fetch(fetcher, secure.url("/a"))
                    # To wrong credentials it answers 401, as the origin might.
                    with pytest.raises(OriginDenied if login else ProxyUnavailable):
                        await fetch(fetcher, plain.url("/a"))


@pytest.mark.parametrize("lookup", ["local", "remote"])
@pytest.mark.gen_test(timeout=60)
async def test_microsocks(lookup: str, tls: ssl.SSLContext) -> None:
    port = free_port()
    async with (
        process(port, "microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", "user", "-P", "password"),
        Origin({"/a": answer(b"secure" * 50_000)}, tls=tls, name="localhost") as secure,
        Origin({"/a": answer(b"plain" * 50_000)}, name="localhost") as plain,
    ):
        async with http_fetcher(proxy=f"socks5://user:password@127.0.0.1:{port}", proxy_lookup=lookup) as fetcher:
            for _ in range(2):
                assert await fetch(fetcher, secure.url("/a")) == b"secure" * 50_000
                assert await fetch(fetcher, plain.url("/a")) == b"plain" * 50_000
        for login in ("user:wrong@", ""):
            async with http_fetcher(proxy=f"socks5://{login}127.0.0.1:{port}", proxy_lookup=lookup) as fetcher:
                with pytest.raises(ProxyUnavailable):
                    await fetch(fetcher, plain.url("/a"))
