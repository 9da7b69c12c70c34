from collections.abc import Mapping

import pytest

from lading.plugins.errors import HeaderNotAllowed
from lading.plugins.fetchers.http.requests import check_headers, request_headers


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "HOST",
        "Connection",
        "Keep-Alive",
        "Content-Length",
        "Content-Encoding",
        "Transfer-Encoding",
        "TE",
        "Trailer",
        "Upgrade",
        "HTTP2-Settings",
        "Expect",
        "Via",
        "Max-Forwards",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Accept-Encoding",
        "Range",
        "If-Range",
        "If-None-Match",
        "If-Modified-Since",
        "Sec-Fetch-Mode",
        "",
        "a b",
        "a:",
        "a\r\nb",
        "é",
    ],
)
def test_headers_that_are_not_the_clients_are_refused_by_name(name: str) -> None:
    with pytest.raises(HeaderNotAllowed) as caught:
        check_headers({"Accept": "image/png", name: "x"})
    assert caught.value.facts["name"] == "".join(char if char.isprintable() else "?" for char in name)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\rb", "a\x00b", "a\x7fb", "\u20ac", "\xe9"])
def test_values_that_a_header_cannot_hold_are_refused_and_not_shown(value: str) -> None:
    with pytest.raises(HeaderNotAllowed) as caught:
        check_headers({"X-Key": value})
    assert caught.value.facts["name"] == "X-Key"
    assert value not in str(caught.value)


def test_values_that_are_no_text_are_refused() -> None:
    nested: Mapping[str, str] = {"X-Key": {"a": "b"}}  # type: ignore[dict-item]
    with pytest.raises(HeaderNotAllowed):
        check_headers(nested)


def test_the_number_of_headers_is_limited() -> None:
    headers = {f"X-{number}": "a" for number in range(32)}
    check_headers(headers)
    with pytest.raises(HeaderNotAllowed, match="there are more than 32"):
        check_headers({**headers, "X-32": "a"})


def test_the_size_of_headers_is_limited() -> None:
    check_headers({"X-A": "a" * 4000, "X-B": "b" * 4000})
    with pytest.raises(HeaderNotAllowed, match="larger than 8192 bytes"):
        check_headers({"X-A": "a" * 4000, "X-B": "b" * 4200})


def test_a_long_name_is_not_echoed_whole() -> None:
    with pytest.raises(HeaderNotAllowed) as caught:
        check_headers({"é" * 1000: "x"})
    assert caught.value.facts["name"] == "é" * 64


def test_ordinary_and_secret_headers_are_allowed() -> None:
    check_headers({"Authorization": "Bearer abc", "Cookie": "a=b", "X-Api-Key": "\tspaced ", "Referer": ""})


def test_the_clients_headers_replace_the_fetchers_own_in_any_case() -> None:
    assert request_headers({}, "Lading") == {
        "Accept": "image/*,*/*;q=0.8",
        "User-Agent": "Lading",
        "Accept-Encoding": "identity",
    }
    assert request_headers({"accept": "image/png", "USER-AGENT": "curl"}, "Lading") == {
        "Accept-Encoding": "identity",
        "accept": "image/png",
        "USER-AGENT": "curl",
    }
