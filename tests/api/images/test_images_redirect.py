"""``redirect = true``: the storage of a third party sends the bytes itself, by URLs that it signs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lading.plugins.host.registry import GROUPS
from lading.service.config import load_all
from lading.service.models.clock import SystemClock
from lading.service.runtime.serving import RunningService, running
from tests.support.images import ask, code_of, noise, path_of, stored_in
from tests.support.plugins.distributions import Site
from tests.support.servers.service import CONF, token

DATA = noise(5000)
SIGNING = """
    from urllib.parse import urlencode

    from lading.backends.memory import MemoryStorage
    from lading.plugins.capabilities import SupportsSignedUrls
    from lading.plugins.errors import StorageDenied

    class Probe(MemoryStorage, SupportsSignedUrls):
        fails = False

        async def signed_url(self, key, *, expires, content_type=None, content_disposition=None):
            if self.fails:
                raise StorageDenied("secret reason")
            facts = {"for": expires.total_seconds(), "type": content_type, "disposition": content_disposition}
            return f"https://storage.example/{key}?{urlencode(facts)}"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    site = Site(tmp_path)
    site.install(SIGNING, group=GROUPS["storage"])
    return site


@asynccontextmanager
async def redirecting(folder: Path, *, redirect: bool = True) -> AsyncIterator[tuple[RunningService, int]]:
    conf = folder / "service.conf"
    images = f"[images]\nredirect = {redirect}\nredirect_lifetime = 90\n"
    conf.write_text(f"{CONF}[documents]\nbackend = memory\n[storage]\nbackend = probe\n{images}", encoding="utf-8")
    async with running(*load_all(conf, {"LADING_WORKER__ENABLED": "false"}), SystemClock()) as service:
        yield service, urlsplit(service.url).port or 0


def authorization(*abilities: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(abilities=abilities)}"}


@pytest.mark.gen_test
async def test_a_get_is_sent_to_the_storage(site: Site, tmp_path: Path) -> None:
    async with redirecting(tmp_path) as (service, port):
        params = {"filename": "Größe.png"}
        found = await stored_in(service.parts, DATA, params=params)
        headers = {**authorization("image_download"), "Range": "bytes=0-9"}
        status, answer, body = await ask(port, path_of(found, "/content"), headers)
        assert (status, body) == (302, b"")
        url = urlsplit(answer["location"])
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"https://storage.example/{found.image.key}"
        assert parse_qs(url.query) == {
            "for": ["90.0"],
            "type": ["image/png"],
            "disposition": ["inline; filename=\"Gr__e.png\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.png"],
        }  # fmt: skip
        assert answer["cache-control"] == "no-cache, no-store", "the URL is a credential"
        assert not answer.keys() & {"etag", "last-modified", "content-type", "content-disposition"}


@pytest.mark.gen_test
async def test_what_needs_no_bytes_is_answered_here(site: Site, tmp_path: Path) -> None:
    async with redirecting(tmp_path) as (service, port):
        found = await stored_in(service.parts, DATA)
        path, headers = path_of(found, "/content"), authorization("image_download", "image_delete")
        status, answer, _ = await ask(port, path, headers, "HEAD")
        assert (status, answer["content-length"]) == (200, "5000"), "a URL is signed for GET alone"
        assert (await ask(port, path, {**headers, "If-None-Match": found.etag}))[0] == 304
        assert (await ask(port, path, {**headers, "If-Match": '"other"'}))[0] == 412
        assert (await ask(port, path, authorization("image_upload")))[0] == 403
        assert (await ask(port, path_of(found), headers, "DELETE"))[0] == 204
        assert (await ask(port, path, headers))[0] == 410


@pytest.mark.gen_test
async def test_a_url_that_cannot_be_signed(site: Site, tmp_path: Path) -> None:
    async with redirecting(tmp_path) as (service, port):
        backend: Any = service.parts.storage.backend
        backend.fails = True
        found = await stored_in(service.parts, DATA)
        status, _, body = await ask(port, path_of(found, "/content"), authorization("image_download"))
        assert (status, code_of(body)) == (503, "image_unavailable")
        assert b"secret" not in body


@pytest.mark.gen_test
async def test_without_redirect_the_service_sends_the_bytes(site: Site, tmp_path: Path) -> None:
    async with redirecting(tmp_path, redirect=False) as (service, port):
        found = await stored_in(service.parts, DATA)
        status, _, body = await ask(port, path_of(found, "/content"), authorization("image_download"))
        assert (status, body) == (200, DATA)
