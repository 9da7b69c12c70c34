"""The canonicaliser against a table of hostile and odd URLs, and against the parsers that read its results."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Final
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from lading.plugins.errors import SourceRefused, UrlInvalid, UrlSchemeMissing, UrlSchemeNotAllowed
from lading.plugins.net.urls import HttpUrl, parse_http_url, resolve_reference
from tests.unit.plugins.net.urls import ACCEPTED, REFUSED

ERRORS: Final = {"no scheme": UrlSchemeMissing, "another scheme": UrlSchemeNotAllowed}
BASE: Final = parse_http_url("https://base.example:8443/a/b?c")
ALL: Final = (*ACCEPTED, *chain.from_iterable(REFUSED.values()))
PIECES: Final = sorted({piece for url in ALL if len(url) < 100 for piece in (url, *url.split("/"), *url.split("."))})


def test_the_table_is_large_and_says_nothing_twice() -> None:
    assert len(ALL) == len(set(ALL)) > 500


@pytest.mark.parametrize(("sent", "canonical"), ACCEPTED.items(), ids=map(ascii, ACCEPTED))
def test_accepted_urls_have_one_form(sent: str, canonical: str) -> None:
    url = parse_http_url(sent)
    assert str(url) == canonical
    assert parse_http_url(canonical) == url
    assert_read_alike(url)


@pytest.mark.parametrize("group", REFUSED)
def test_all_of_a_group_is_refused(group: str) -> None:
    assert accepted(parse_http_url, REFUSED[group], ERRORS.get(group, UrlInvalid)) == []


@pytest.mark.parametrize("group", [name for name in REFUSED if name != "no scheme"])
def test_redirects_are_refused_as_their_urls_are(group: str) -> None:
    relative = [sent.removeprefix("http:") for sent in REFUSED[group] if sent.startswith("http://")]
    assert accepted(partial(resolve_reference, BASE), [*REFUSED[group], *relative]) == []


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
    """The parsers behind this one (aiohttp's, and Python's own) see the very same parts."""
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
