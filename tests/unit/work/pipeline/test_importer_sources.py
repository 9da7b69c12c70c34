"""Which fetcher serves a url."""

from typing import Any

import pytest

from lading.plugins.contracts import Fetched, Source
from lading.plugins.errors import PluginError, StorageUnavailable, UrlSchemeMissing, UrlSchemeNotAllowed
from lading.plugins.host.schemes import scheme_of
from lading.plugins.net.urls import host_of
from tests.support.importing import shop_of
from tests.support.plugins.scripted import ScriptedFetcher, pieces

# --- schemes and hosts ------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", UrlSchemeMissing),
        ("/etc/passwd", UrlSchemeMissing),
        ("//host/a.jpg", UrlSchemeMissing),
        ("example.org/a.jpg", UrlSchemeMissing),
        ("example.org:8080/a.jpg", UrlSchemeMissing),
        ("localhost:80", UrlSchemeMissing),
        ("://host/a", UrlSchemeMissing),
        ("1http://host", UrlSchemeMissing),
        ("t\u00e9st://host", UrlSchemeMissing),
        ("a" * 64 + "://host", UrlSchemeMissing),
        ("file:///etc/passwd", UrlSchemeNotAllowed),
        ("javascript:alert(1)", UrlSchemeNotAllowed),
        ("TESTS://host", UrlSchemeNotAllowed),
    ],
)
async def test_a_url_without_a_served_scheme_is_refused(url: str, error: type[PluginError]) -> None:
    with shop_of() as shop:
        with pytest.raises(PluginError) as caught:
            shop.importer.check(Source(url))
        assert type(caught.value) is error
        assert shop.importer.import_type(url) is None


@pytest.mark.gen_test
async def test_the_scheme_is_served_in_any_case_and_named_in_its_refusal() -> None:
    with shop_of() as shop:
        for url in ("TeSt://host/a", "\u00a0 test://host/a\r\n", "te\nst://host/a"):
            shop.importer.check(Source(url))
        assert shop.importer.import_type("TEST:x") == "scripted"
        with pytest.raises(UrlSchemeNotAllowed) as caught:
            shop.importer.check(Source("FTP://host/a"))
        assert caught.value.facts == {"scheme": "ftp"}


@pytest.mark.parametrize(
    ("url", "scheme", "host"),
    [
        ("HTTP://Example.ORG:80/A?b#c", "http", "example.org"),
        (" ht\ntp://EXA%4DPLE.org./", "http", "example.org"),
        ("http://BÜCHER.test/", "http", "xn--bcher-kva.test"),
        ("http://0x7f.1/", "http", "127.0.0.1"),
        ("https://user:pass@host/", "https", "host"),
        ("http://[2001:DB8::1]:8000/", "http", "2001:db8::1"),
        ("data:image/png;base64,AA==", "data", ""),
        ("s3+x.y-z://Bucket/key", "s3+x.y-z", "bucket"),
        ("http://[broken/", "http", ""),
        ("no scheme", "", ""),
        ("", "", ""),
    ],
)
def test_scheme_and_host(url: str, scheme: str, host: str) -> None:
    assert (scheme_of(url), host_of(url)) == (scheme, host)


@pytest.mark.gen_test
async def test_the_fetcher_s_own_check_is_asked() -> None:
    refusal = UrlSchemeNotAllowed(scheme="x")

    class Picky(ScriptedFetcher):
        def check(self, source: Source) -> None:
            assert source.url == "test://host/a"
            raise refusal

        def open(self, source: Source) -> Any:
            raise AssertionError("a check fetches nothing")

    with shop_of() as shop:
        shop.importer.fetchers = {"test": Picky()}
        with pytest.raises(UrlSchemeNotAllowed) as caught:
            shop.importer.check(Source("test://host/a"))
        assert caught.value is refusal


@pytest.mark.gen_test
async def test_ping_asks_storage() -> None:
    with shop_of() as shop:
        await shop.importer.ping_storage()
        await shop.storage.close()
        with pytest.raises(StorageUnavailable):
            await shop.importer.ping_storage()


def test_fetched_needs_no_name() -> None:
    assert Fetched(pieces()).filename is None
