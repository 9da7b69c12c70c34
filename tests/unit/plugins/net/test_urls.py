from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.provisional import domains

from lading.plugins.errors import SourceRefused, UrlInvalid, UrlSchemeMissing, UrlSchemeNotAllowed
from lading.plugins.net.addresses import AddressPolicy
from lading.plugins.net.urls import (
    PARSED_URLS,
    HttpUrl,
    _parsed,
    _plain,
    _read_once,
    authority_of,
    canonical_host,
    host_of,
    parse_http_url,
    resolve_reference,
)


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ("http://example.org", "http://example.org/"),
        ("HTTP://EXAMPLE.org/A.JPG", "http://example.org/A.JPG"),
        ("http://example.org:80/", "http://example.org/"),
        ("http://example.org:/", "http://example.org/"),
        ("https://example.org:443/", "https://example.org/"),
        ("https://example.org:8443/", "https://example.org:8443/"),
        ("http://example.org:0080/", "http://example.org/"),
        ("http://example.org./a", "http://example.org/a"),
        ("http://example.org?a=1", "http://example.org/?a=1"),
        ("http://example.org/a?b=c#fragment", "http://example.org/a?b=c"),
        ("http://example.org/%41%zz", "http://example.org/%41%zz"),
        ("http://example.org/a|b?c[]={d}", "http://example.org/a%7Cb?c[]=%7Bd%7D"),
        ("http://example.org/é.jpg?ü=1", "http://example.org/%C3%A9.jpg?%C3%BC=1"),
        ("http://example.org//a/../b", "http://example.org//b"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://BüCHER.example/", "http://xn--bcher-kva.example/"),
        ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
        ("http://my_bucket.example/", "http://my_bucket.example/"),
        ("http://example.org/@a:80/b:81", "http://example.org/@a:80/b:81"),
        ("http://example.org?@a:80/b#c://d@e:81/", "http://example.org/?@a:80/b"),
        ("http://[2001:DB8::80]:81/a@b", "http://[2001:db8::80]:81/a@b"),
        ("http://@example.org:81", "http://example.org:81/"),
        ("http://r3---sn-x.example/", "http://r3---sn-x.example/"),
        ("http://192.0.2.1:8080/", "http://192.0.2.1:8080/"),
        ("http://[2001:DB8:0:0::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://[::ffff:7f00:1]/", f"http://[{IPv6Address('::ffff:127.0.0.1')}]/"),
    ],
)
def test_urls_have_one_canonical_form(sent: str, canonical: str) -> None:
    assert str(parse_http_url(sent)) == canonical


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("http://user@example.org/", "it holds a user name or password"),
        ("http://user:password@example.org/", "it holds a user name or password"),
        ("http://example.org/\ud800", "it is not valid Unicode"),
        ("http://", "it has no host"),
        ("http:", "it has no host"),
        ("http://:80/", "it has no host"),
        ("http://?a", "it has no host"),
        ("http://./", "its host is not valid"),
        ("http://example..org/", "its host is not valid"),
        ("http://example.org../", "its host is not valid"),
        ("http://.example.org/", "its host is not valid"),
        ("http://exa*mple.org/", "its host is not valid"),
        (f"http://{'a' * 64}.org/", "its host is not valid"),
        (f"http://{'é' * 2000}.org/", "its host is not valid"),
        (f"http://{'.'.join(['a' * 63] * 4)}/", "its host is not valid"),
        ("http://a\u200db.example/", "its host is not valid"),
        ("http://[::1/", "its host is not valid"),
        ("http://[::1]x/", "its host is not valid"),
        ("http://[]/", "its host is not valid"),
        ("http://[127.0.0.1]/", "its host is not valid"),
        ("http://[v1.a]/", "its host is not valid"),
        ("http://[::1", "its host is not valid"),
        ("http://[fe80::1%25eth0]/", "its address names a network zone"),
        ("http://[fe80::1%eth0]/", "its address names a network zone"),
        ("http://::1/", "it has no host"),
        ("http://example.org:0/", "its port is not valid"),
        ("http://example.org:65536/", "its port is not valid"),
        ("http://example.org:-1/", "its port is not valid"),
        ("http://example.org:+80/", "its port is not valid"),
        ("http://example.org:８０/", "its port is not valid"),
        ("http://example.org:80:80/", "its port is not valid"),
        ("http://[::1]:x/", "its port is not valid"),
    ],
)
def test_invalid_urls_are_refused_with_their_reason(sent: str, reason: str) -> None:
    with pytest.raises(UrlInvalid) as caught:
        parse_http_url(sent)
    assert caught.value.facts["reason"] == reason


@pytest.mark.parametrize(
    "host", ["127.0.0.1.1", "127.0.0.256", "256.256.256.256", "example.1", "example.0x1", "1.2.3.09"]
)
def test_hosts_that_end_in_a_number_must_be_addresses(host: str) -> None:
    with pytest.raises(UrlInvalid) as caught:
        parse_http_url(f"http://{host}/")
    assert caught.value.facts["reason"] == "its host is neither a host name nor an IPv4 address"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0xa9.0376.43518", "169.254.169.254"),
        ("１６９.254.169.254", "169.254.169.254"),
        ("%31%36%39.254.169.254", "169.254.169.254"),
        ("169。254。169。254。", "169.254.169.254"),
        ("1\u00ad0.0.0.1", "10.0.0.1"),
        ("0", "0.0.0.0"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
    ],
)
def test_every_spelling_of_an_address_is_judged_as_that_address(host: str, address: str) -> None:
    url = parse_http_url(f"http://{host}/")
    assert url.address == ip_address(address)
    assert not AddressPolicy().verdict(url.host).allowed
    redirected = resolve_reference(parse_http_url("http://example.org/"), f"//{host}/")
    assert redirected == url


@pytest.mark.parametrize(
    "sent", ["", "example.org/a.jpg", "//example.org/a.jpg", "/a.jpg", "example.org:8080/a.jpg", "localhost:80", "1:2"]
)
def test_a_missing_scheme_is_told_apart(sent: str) -> None:
    with pytest.raises(UrlSchemeMissing):
        parse_http_url(sent)


@pytest.mark.parametrize(
    "sent", ["ftp://example.org/", "file:///etc/passwd", "gopher://x", "javascript:alert(1)", "data:,a"]
)
def test_other_schemes_are_refused_by_name(sent: str) -> None:
    with pytest.raises(UrlSchemeNotAllowed) as caught:
        parse_http_url(sent)
    assert caught.value.facts["scheme"] == sent.partition(":")[0]


def test_a_long_scheme_is_not_echoed_whole() -> None:
    with pytest.raises(UrlSchemeNotAllowed) as caught:
        parse_http_url("x" * 60 + ":")
    assert caught.value.facts["scheme"] == "x" * 32


def test_the_length_limit_counts_the_bytes_that_are_sent() -> None:
    url = "http://example.org/" + "a" * 81
    assert str(parse_http_url(url, max_bytes=100)) == url
    with pytest.raises(UrlInvalid, match="longer than 100 bytes"):
        parse_http_url(url + "a", max_bytes=100)
    with pytest.raises(UrlInvalid, match="longer than 100 bytes"):
        parse_http_url("http://example.org/" + "é" * 14, max_bytes=100)
    with pytest.raises(UrlInvalid, match="longer than 8192 bytes"):
        parse_http_url("http://example.org/" + "a" * 8192)
    # As sent as well, though the fragment is dropped.
    with pytest.raises(UrlInvalid, match="longer than 100 bytes"):
        parse_http_url("http://example.org/#" + "é" * 41, max_bytes=100)


def test_the_parts_of_a_url() -> None:
    url = parse_http_url("https://example.org:8443/a/b?token=1")
    assert url == HttpUrl("https", "example.org", 8443, "/a/b?token=1")
    assert url.origin == ("https", "example.org", 8443)
    assert url.path == "/a/b"
    assert url.loggable == "https://example.org:8443/a/b"
    assert url.address is None
    assert parse_http_url("http://192.0.2.1/").address == IPv4Address("192.0.2.1")
    assert parse_http_url("http://[2001:db8::1]/").address == IPv6Address("2001:db8::1")


def test_the_query_is_in_no_repr() -> None:
    assert "secret" not in repr(parse_http_url("http://example.org/?token=secret"))


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("/b.jpg", "https://example.org:8443/b.jpg"),
        ("b.jpg?c", "https://example.org:8443/a/b.jpg?c"),
        ("../b.jpg", "https://example.org:8443/b.jpg"),
        ("?c", "https://example.org:8443/a/x.jpg?c"),
        ("//other.example/b", "https://other.example/b"),
        ("http://other.example", "http://other.example/"),
        ("/é", "https://example.org:8443/%C3%A9"),
        ("#top", "https://example.org:8443/a/x.jpg?q=1"),
        # As servers write them (WHATWG URL section 4.4).
        ("/u/Banner op hotel.jpg", "https://example.org:8443/u/Banner%20op%20hotel.jpg"),
        (" /b.jpg\t", "https://example.org:8443/b.jpg"),
        ("/a\tb", "https://example.org:8443/ab"),
        ("\\b\\c.jpg", "https://example.org:8443/b/c.jpg"),
        ("\\\\other.example\\b", "https://other.example/b"),
        ("https:b.jpg", "https://example.org:8443/a/b.jpg"),
        ("http:other.example", "http://other.example/"),
        ("https:///other.example/b", "https://other.example/b"),
        ("?name=Müller & Söhne", "https://example.org:8443/a/x.jpg?name=M%C3%BCller%20&%20S%C3%B6hne"),
        ("/a|b/{c}", "https://example.org:8443/a%7Cb/%7Bc%7D"),
        ("/100%.jpg", "https://example.org:8443/100%.jpg"),
        ("//BÜCHER.test/ü", "https://xn--bcher-kva.test/%C3%BC"),
    ],
)
def test_references_are_resolved_against_the_url_that_sent_them(reference: str, target: str) -> None:
    base = parse_http_url("https://example.org:8443/a/x.jpg?q=1")
    assert str(resolve_reference(base, reference)) == target


@pytest.mark.parametrize(
    "reference",
    ["//user@other.example/", "//a b/", "//[::1/", "ftp://x/", "//", "http://", "x:1", "data:,a", "//a:b/", "\ud800"],
)
def test_references_are_read_as_strictly_as_urls(reference: str) -> None:
    with pytest.raises(SourceRefused):
        resolve_reference(parse_http_url("http://example.org/"), reference)


@pytest.mark.parametrize(
    ("url", "host", "authority"),
    [
        (" http://BÜCHER.test./a b", "xn--bcher-kva.test", "xn--bcher-kva.test"),
        ("HTTP://0x7f.1:8080", "127.0.0.1", "127.0.0.1:8080"),
        ("https://[2001:DB8::1]:443/", "2001:db8::1", "[2001:db8::1]"),
        (" sftp://user:password@Host.example:22/a", "host.example", "host.example:22"),
        ("data:,a", "", ""),
        ("sftp://[", "", ""),
    ],
)
def test_hosts_of_any_url(url: str, host: str, authority: str) -> None:
    assert (host_of(url), authority_of(url)) == (host, authority)


@pytest.mark.parametrize("text", ["a/b", "a?b", "a#b", "a:80", "a@b", "a\\b", "a b", "", ".", "a..b"])
def test_a_host_alone_has_nothing_beside_it(text: str) -> None:
    with pytest.raises(UrlInvalid):
        canonical_host(text)
    assert canonical_host("BÜCHER.test.") == "xn--bcher-kva.test"


_HOSTS = st.one_of(
    domains(),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.text(min_size=1, max_size=20),
)
_URLS = st.builds(
    lambda scheme, host, port, rest: f"{scheme}://{host}{port}{rest}",
    st.sampled_from(["http", "https", "HTTP"]),
    _HOSTS,
    st.one_of(st.just(""), st.integers(0, 70000).map(lambda port: f":{port}")),
    st.text(max_size=40).map(lambda text: "/" + text),
)


@given(st.one_of(_URLS, st.text()))
@example("http://example.org./%?#")
def test_parsing_is_idempotent_and_raises_only_refusals(sent: str) -> None:
    try:
        url = parse_http_url(sent)
    except SourceRefused:
        return
    assert parse_http_url(str(url)) == url
    assert str(url).isascii()
    assert not set(str(url)) & {" ", "\\", "\r", "\n", "@"} - set(url.path_query)


def test_few_urls_are_kept() -> None:
    """They may hold secrets."""
    for number in range(PARSED_URLS + 9):
        parse_http_url(f"http://example.org/{number}")
    assert _read_once.cache_info().currsize == PARSED_URLS == 256


_LABELS = st.text("az09-_x", min_size=1, max_size=5) | st.sampled_from(["xn--bcher-kva", "0x7f", "127", "a" * 63, "B"])
_OCTETS = st.sampled_from(["0", "9", "10", "99", "127", "249", "255", "256", "00", "012", "0x7"])
_NEARLY_PLAIN = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["http", "https"]),
    (st.lists(_LABELS, min_size=1, max_size=4) | st.lists(_OCTETS, min_size=3, max_size=5)).map(".".join),
    st.sampled_from(["", ":80", ":443", ":8080", ":65535", ":65536", ":0", ":080"]),
    st.text("/.aZ0~!$&'()*+,;=:@%2eE_-", max_size=12).map("/{}".format),
    st.just("") | st.text("aZ0~!$&'()*+,;=:@/?%[]_.-#", max_size=8).map("?{}".format),
)


@given(_NEARLY_PLAIN)
@example("http://origin.example/0001/00000001.jpg")
@example("https://a.example:443/a?b=c&d[]=e%2F")
@example("http://a.example/%2e%2E/b")
@example("http://192.0.2.255:8080/a.jpg")
@example("http://192.0.2.256/")
@example("http://192.0.2.1.example/")
@example("http://" + ".".join(["a" * 63] * 4) + "/")
def test_what_is_read_without_the_parser_is_what_the_parser_reads(url: str) -> None:
    plain = _plain(url)
    assert plain is None or plain == _parsed(url, None)


def test_most_urls_are_read_without_the_parser() -> None:
    for url in (
        "http://lorempixel.com/100/100/",
        "https://b.s3.example:8443/a-b/c_d.jpg?X-Amz-Date=1&a=%2F",
        "http://127.0.0.1:80/",
    ):
        assert _plain(url) == parse_http_url(url)
