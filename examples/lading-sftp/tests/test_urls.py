"""Which URLs are refused, and what the others mean."""

import pytest

from lading.plugins import Source
from lading.plugins.errors import (
    HeaderNotAllowed,
    SourceRefused,
    UrlInvalid,
    UrlPortNotAllowed,
    UrlSchemeMissing,
    UrlSchemeNotAllowed,
)
from lading_sftp.errors import ServerNotAllowed, UserNotAllowed
from lading_sftp.fetcher import SftpFetcher
from lading_sftp.options import Server, SftpOptions
from lading_sftp.urls import MAX_CHARACTERS, MAX_FILENAME_BYTES, parse_sftp_url

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINzbU8Dr+2apXjS1+7v88SCh9D6bRe8FpjW7pzhVMpR3"


def options(**changes: object) -> SftpOptions:
    given = {
        "hosts": "files.example, files.example:2222, [2001:db8::1]",
        "username": "lading",
        "password": "hunter2",
        "host_keys": f"files.example {KEY}",
        "allow_users": "archive",
    }
    return SftpOptions.model_validate({**given, **changes})


def check(url: str, headers: dict[str, str] | None = None) -> None:
    SftpFetcher(options()).check(Source(url, headers or {}))


@pytest.mark.parametrize(
    ("url", "server", "user", "path", "filename"),
    [
        ("sftp://files.example/a.png", ("files.example", 22), None, b"/a.png", "a.png"),
        ("SFTP://Files.Example:2222/b/c.png", ("files.example", 2222), None, b"/b/c.png", "c.png"),
        ("sftp://files.example:22/a", ("files.example", 22), None, b"/a", "a"),
        ("sftp://archive@files.example/a.png", ("files.example", 22), "archive", b"/a.png", "a.png"),
        ("sftp://l%61ding@files.example/a.png", ("files.example", 22), "lading", b"/a.png", "a.png"),
        ("sftp://[2001:DB8:0::1]/a.png", ("2001:db8::1", 22), None, b"/a.png", "a.png"),
        ("sftp://files.example/a%20b.png", ("files.example", 22), None, b"/a b.png", "a b.png"),
        ("sftp://files.example/%C3%BC.png", ("files.example", 22), None, "/ü.png".encode(), "ü.png"),
        ("sftp://files.example/ü.png", ("files.example", 22), None, "/ü.png".encode(), "ü.png"),
        ("sftp://files.example/%FF.png", ("files.example", 22), None, b"/\xff.png", "\N{REPLACEMENT CHARACTER}.png"),
        ("sftp://files.example/a%2Fb.png", ("files.example", 22), None, b"/a/b.png", "b.png"),
        ("sftp://files.example/%3F%23.png", ("files.example", 22), None, b"/?#.png", "?#.png"),
        ("sftp://files.example/~/a.png", ("files.example", 22), None, b"/~/a.png", "a.png"),
        ("sftp://files.example//a...png", ("files.example", 22), None, b"//a...png", "a...png"),
        ("sftp://files.example/%E2%80%AEgnp.a", ("files.example", 22), None, b"/\xe2\x80\xaegnp.a", "gnp.a"),
        ("sftp://files.example/%E2%80%AE", ("files.example", 22), None, b"/\xe2\x80\xae", None),
        ("sftp://files.example/%20..", ("files.example", 22), None, b"/ ..", None),
        ("sftp://files.example/.%E2%80%8B.", ("files.example", 22), None, b"/.\xe2\x80\x8b.", None),
    ],
)
def test_good_urls(url: str, server: tuple[str, int], user: str | None, path: bytes, filename: str | None) -> None:
    check(url)
    parsed = parse_sftp_url(url)
    assert parsed.server == Server(*server)
    assert (parsed.user, parsed.path, parsed.filename) == (user, path, filename)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", UrlSchemeMissing),
        ("files.example/a.png", UrlSchemeMissing),
        ("//files.example/a.png", UrlSchemeMissing),
        ("https://files.example/a.png", UrlSchemeNotAllowed),
        ("sftp:files.example/a.png", UrlInvalid),
        ("sftp:/files.example/a.png", UrlInvalid),
        ("sftp:///a.png", UrlInvalid),
        ("sftp://files.example", UrlInvalid),
        ("sftp://files.example/", UrlInvalid),
        ("sftp://files.example/a/", UrlInvalid),
        ("sftp://files.example/../a.png", UrlInvalid),
        ("sftp://files.example/a/./b.png", UrlInvalid),
        ("sftp://files.example/a/%2e%2E/b.png", UrlInvalid),
        ("sftp://files.example/a/..%2Fb.png", UrlInvalid),
        ("sftp://files.example/a/..", UrlInvalid),
        ("sftp://files.example/a%5C..%5Cb.png", UrlInvalid),
        ("sftp://files.example/a\\b.png", UrlInvalid),
        ("sftp://files.example/a%00.png", UrlInvalid),
        ("sftp://files.example/a%0A.png", UrlInvalid),
        ("sftp://files.example/a b.png", UrlInvalid),
        ("sftp://files.example/a%.png", UrlInvalid),
        ("sftp://files.example/a%zz.png", UrlInvalid),
        ("sftp://files.example/a.png?b", UrlInvalid),
        ("sftp://files.example/a.png#b", UrlInvalid),
        ("sftp://files.example?/a.png", UrlInvalid),
        ("sftp://lading:secret@files.example/a.png", UrlInvalid),
        ("sftp://lading:@files.example/a.png", UrlInvalid),
        ("sftp://:secret@files.example/a.png", UrlInvalid),
        ("sftp://@files.example/a.png", UrlInvalid),
        ("sftp://%0A@files.example/a.png", UrlInvalid),
        ("sftp://%FF@files.example/a.png", UrlInvalid),
        ("sftp://lading;fingerprint=x@files.example/a.png", UserNotAllowed),
        ("sftp://root@files.example/a.png", UserNotAllowed),
        ("sftp://Lading@files.example/a.png", UserNotAllowed),
        ("sftp://lading@elsewhere.example@files.example/a.png", UserNotAllowed),
        ("sftp://files.example@elsewhere.example/a.png", ServerNotAllowed),
        ("sftp://elsewhere.example/a.png", ServerNotAllowed),
        ("sftp://files.example./a.png", ServerNotAllowed),
        ("sftp://127.0.0.1/a.png", ServerNotAllowed),
        ("sftp://[::1]/a.png", ServerNotAllowed),
        ("sftp://[::ffff:127.0.0.1]/a.png", ServerNotAllowed),
        ("sftp://files.example:2223/a.png", UrlPortNotAllowed),
        ("sftp://[2001:db8::1]:2222/a.png", UrlPortNotAllowed),
        ("sftp://files.example:/a.png", UrlInvalid),
        ("sftp://files.example:0/a.png", UrlInvalid),
        ("sftp://files.example:65536/a.png", UrlInvalid),
        ("sftp://files.example:+22/a.png", UrlInvalid),
        ("sftp://files.example:٢٢/a.png", UrlInvalid),
        ("sftp://files%2Eexample/a.png", UrlInvalid),
        ("sftp://füles.example/a.png", UrlInvalid),
        ("sftp://files。example/a.png", UrlInvalid),
        ("sftp://2001:db8::1/a.png", UrlInvalid),
        ("sftp://[::1/a.png", UrlInvalid),
        ("sftp://[::1%25eth0]/a.png", UrlInvalid),
        ("sftp://[abc]/a.png", UrlInvalid),
        ("sftp://files.example/" + MAX_CHARACTERS * "a", UrlInvalid),
        ("sftp://files.example/\ud800.png", UrlInvalid),
    ],
)
def test_refused_urls(url: str, error: type[SourceRefused]) -> None:
    with pytest.raises(error) as raised:
        check(url)
    assert type(raised.value) is error
    assert "secret" not in str(raised.value)


def test_headers_are_refused_since_sftp_has_none() -> None:
    with pytest.raises(HeaderNotAllowed) as raised:
        check("sftp://files.example/a.png", {"Authorization": "Basic secret"})
    assert raised.value.detail == "The request header 'Authorization' is not allowed in a fetch: SFTP has no headers."


def test_the_name_of_a_header_is_made_harmless() -> None:
    with pytest.raises(HeaderNotAllowed) as raised:
        check("sftp://files.example/a.png", {"X-\r\nHost" + 100 * "x": "secret"})
    assert raised.value.facts["name"] == "X-??Host" + 56 * "x"


def test_a_long_name_is_cut_between_characters() -> None:
    filename = parse_sftp_url("sftp://files.example/" + 200 * "ü").filename
    assert filename is not None
    assert filename == MAX_FILENAME_BYTES // 2 * "ü"
