"""A service fetches through Debian's proxies, and the page on outgoing proxies says truly what Lading can judge."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lading.plugins.testing import images
from lading.plugins.testing.origin import Origin, answer
from tests.support.servers.programs.proxies import microsocks, tinyproxy
from tests.support.servers.service import Client, final, running_service, token
from tests.unit.plugins.fetchers.outgoing import trusted_localhost

pytestmark = pytest.mark.long_form
PICTURE = {"/a.jpg": answer(images.jpeg(8, 8))}
LOOPBACK, NOTHING = "127.0.0.0/8", "203.0.113.0/24"
REFUSED = "address_not_allowed"


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    return trusted_localhost(monkeypatch)


@asynccontextmanager
async def proxy(kind: str, folder: Path, connect: int) -> AsyncIterator[str]:
    """The proxy's URL, with its credentials."""
    if kind == "tinyproxy":
        async with tinyproxy(folder, connect) as port:
            yield f"http://user:password@127.0.0.1:{port}"
    else:
        async with microsocks() as port:
            yield f"socks5://user:password@127.0.0.1:{port}"


async def outcome(folder: Path, options: dict[str, str], urls: list[str]) -> list[str]:
    """How a service with these options of ``[fetch.http]`` ends imports: ``done``, or the error's code."""
    folder.mkdir()
    overrides = {f"LADING_FETCH_HTTP__{name.upper()}": value for name, value in options.items()}
    ends = []
    async with running_service(folder, None, **overrides) as service:
        client = Client(service.url, token())
        for url in urls:
            response = await client.post_json({"album_id": "imported_album", "url": url})
            accepted = json.loads(response.body)
            if response.code == 422:
                ends.append(accepted["code"])
                continue
            document = await final(client, accepted["id"])
            ends.append(document["error"]["code"] if document["error"] else document["status"])
    return ends


@pytest.mark.parametrize("kind", ["tinyproxy", "microsocks"])
@pytest.mark.gen_test(timeout=120)
async def test_imports_through_a_proxy(kind: str, tls: ssl.SSLContext, tmp_path: Path) -> None:
    async with (
        Origin(PICTURE, name="localhost") as plain,
        Origin(PICTURE, tls=tls, name="localhost") as secure,
        proxy(kind, tmp_path, secure.port) as address,
    ):
        by_name = [plain.url("/a.jpg"), secure.url("/a.jpg")]
        by_number = [f"http://127.0.0.1:{plain.port}/a.jpg", f"https://127.0.0.1:{secure.port}/a.jpg"]
        local = {"proxy": address, "proxy_lookup": "local"}
        remote = {"proxy": address, "proxy_lookup": "remote"}
        allowed, refused = {"allow_networks": LOOPBACK}, {"allow_networks": NOTHING}
        assert await outcome(tmp_path / "a", local | allowed, by_name) == ["done", "done"]
        assert await outcome(tmp_path / "b", local | refused, by_name + by_number) == [REFUSED] * 4
        assert await outcome(tmp_path / "c", remote | allowed, by_name) == ["done", "done"]
        # With remote, nobody but the proxy judges what a name leads to. An address in a url is still judged.
        assert await outcome(tmp_path / "d", remote | refused, by_name) == ["done", "done"]
        assert await outcome(tmp_path / "e", remote | refused, by_number) == [REFUSED] * 2
        # What nobody judged was fetched by name through the proxy, and by nothing else.
        assert {request.target for request in plain.requests} == {"/a.jpg"}
        assert len(plain.requests) == 3


@pytest.mark.gen_test(timeout=120)
async def test_who_looks_names_up_behind_an_http_proxy(tls: ssl.SSLContext, tmp_path: Path) -> None:
    async with Origin(PICTURE, name="localhost") as plain, Origin(PICTURE, tls=tls, name="localhost") as secure:
        for lookup, connected in (("local", "127.0.0.1"), ("remote", "localhost")):
            folder = tmp_path / lookup
            folder.mkdir()
            async with proxy("tinyproxy", folder, secure.port) as address:
                options = {"proxy": address, "proxy_lookup": lookup}
                assert await outcome(folder / "service", options, [plain.url("/a.jpg"), secure.url("/a.jpg")]) == [
                    "done",
                    "done",
                ]
            asked = (folder / "tinyproxy.log").read_text()
            assert f"GET http://localhost:{plain.port}/a.jpg" in asked, "it looks up the names of http urls in any case"
            assert f"CONNECT {connected}:{secure.port}" in asked
