"""The canonicaliser against a table of hostile and odd URLs, and against the parsers that read its results."""

import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from itertools import chain
from typing import Final
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from lading.plugins.errors import SourceRefused, UrlInvalid, UrlSchemeMissing, UrlSchemeNotAllowed
from lading.plugins.net.urls import HttpUrl, parse_http_url, resolve_reference
from tests.unit.plugins.net.urls import ACCEPTED, REFUSED, REPAIRED

ERRORS: Final = {"no scheme": UrlSchemeMissing, "another scheme": UrlSchemeNotAllowed}
BASE: Final = parse_http_url("https://base.example:8443/a/b?c")
ALL: Final = (*ACCEPTED, *REPAIRED, *chain.from_iterable(REFUSED.values()))
PIECES: Final = sorted({piece for url in ALL if len(url) < 100 for piece in (url, *url.split("/"), *url.split("."))})


def test_the_table_is_large_and_says_nothing_twice() -> None:
    assert len(ALL) == len(set(ALL)) > 500


@pytest.mark.parametrize("table", [ACCEPTED, REPAIRED], ids=["accepted", "repaired"])
def test_accepted_urls_have_one_form(table: Mapping[str, str]) -> None:
    found = {sent: str(parse_http_url(sent)) for sent in table}
    assert found == table
    for canonical in found.values():
        assert str(parse_http_url(canonical)) == canonical
        assert_read_alike(parse_http_url(canonical))


@pytest.mark.parametrize("group", REFUSED)
def test_all_of_a_group_is_refused(group: str) -> None:
    assert accepted(parse_http_url, REFUSED[group], ERRORS.get(group, UrlInvalid)) == []


@pytest.mark.parametrize("group", [name for name in REFUSED if name not in {"no scheme", "length"}])
def test_redirects_are_refused_as_their_urls_are(group: str) -> None:
    relative = [sent.removeprefix("http:") for sent in REFUSED[group] if sent.startswith("http://")]
    alone = {"https:"}  # with the scheme of the url that redirects, it says nothing new (WHATWG URL section 4.4)
    assert accepted(partial(resolve_reference, BASE), sorted({*REFUSED[group], *relative} - alone)) == []


def accepted(
    parse: Callable[[str], HttpUrl], urls: Sequence[str], error: type[SourceRefused] = SourceRefused
) -> list[str]:
    """Those of the urls that are not refused with the error."""
    found = []
    for url in urls:
        try:
            parse(url)
        except error:
            continue
        found.append(url)
    return found


def assert_read_alike(url: HttpUrl) -> None:
    """The parsers behind this one (aiohttp's, and Python's own) see the same parts, and resolvers the same host."""
    text = str(url)
    assert text.isascii()
    assert text.isprintable()
    sent = URL(text, encoded=True)
    assert (sent.scheme, sent.raw_host, sent.port, sent.raw_path_qs) == (
        url.scheme,
        url.host,
        url.port,
        # Where nothing follows the question mark, aiohttp does not send it.
        url.path_query.removesuffix("?") if url.path_query.count("?") == 1 else url.path_query,
    )
    assert (sent.user, sent.password) == (None, None)
    parts = urlsplit(text)
    assert (parts.scheme, parts.hostname, parts.username, parts.password) == (url.scheme, url.host, None, None)
    assert parts.port in {url.port, None}
    assert_one_host(url)


def assert_one_host(url: HttpUrl) -> None:
    """What is judged is what is connected to: an address as it is written, or a name that nobody takes for one."""
    if url.address is not None:
        assert ip_address(url.host) == url.address
        return
    assert not url.host.endswith(".")
    with pytest.raises(OSError, match="illegal IP address"):
        socket.inet_aton(url.host)  # which reads 127.1, 0x7f.1 and the like, as resolvers do


_HOSTILE = st.lists(
    st.one_of(st.sampled_from(PIECES), st.sampled_from(list("/:@?#[]%.\\&=;,-_ 0x1")), st.text(max_size=3)), max_size=8
).map("".join)


@given(st.one_of(_HOSTILE, _HOSTILE.map("http://".__add__)))
@example("http://a/?")
def test_whatever_is_accepted_is_canonical_and_read_alike_by_all(sent: str) -> None:
    try:
        url = parse_http_url(sent)
    except SourceRefused:
        return
    assert parse_http_url(str(url)) == url
    assert_read_alike(url)


@given(_HOSTILE)
def test_whatever_a_redirect_says_leads_to_a_canonical_url_or_nowhere(reference: str) -> None:
    try:
        target = resolve_reference(BASE, reference)
    except SourceRefused:
        return
    assert parse_http_url(str(target)) == target
    assert_read_alike(target)
