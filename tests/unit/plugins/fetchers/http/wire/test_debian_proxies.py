"""Fetches through the proxies that Debian has: tinyproxy for HTTP, microsocks for SOCKS5."""

import ssl
from pathlib import Path

import pytest

from lading.plugins.errors import HostNotAllowed, OriginDenied, OriginUnavailable, ProxyUnavailable
from lading.plugins.testing.origin import Origin, answer
from tests.support.servers.programs.ports import free_port
from tests.support.servers.programs.proxies import microsocks, tinyproxy
from tests.unit.plugins.fetchers.outgoing import trusted_localhost
from tests.unit.plugins.fetchers.support import fetch, http_fetcher

pytestmark = pytest.mark.long_form


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    return trusted_localhost(monkeypatch)


@pytest.mark.parametrize("lookup", ["local", "remote"])
@pytest.mark.gen_test(timeout=60)
async def test_tinyproxy(lookup: str, tls: ssl.SSLContext, tmp_path: Path) -> None:
    async with (
        Origin({"/a": answer(b"secure" * 50_000)}, tls=tls, name="localhost") as secure,
        Origin({"/a": answer(b"plain" * 50_000)}, name="localhost") as plain,
        Origin(tls=tls, name="localhost") as other,
    ):
        async with tinyproxy(tmp_path, secure.port) as port:
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
                    # To wrong credentials it answers 401, to none 407, as the origin might.
                    with pytest.raises(OriginDenied if login else OriginUnavailable):
                        await fetch(fetcher, plain.url("/a"))


@pytest.mark.parametrize("lookup", ["local", "remote"])
@pytest.mark.gen_test(timeout=60)
async def test_microsocks(lookup: str, tls: ssl.SSLContext) -> None:
    async with (
        microsocks() as port,
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
