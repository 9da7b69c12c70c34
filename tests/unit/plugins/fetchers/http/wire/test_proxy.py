"""Fetches through a proxy: whom it is asked for, who judges that, and whose fault a failure is."""

import asyncio
import socket
import ssl

import pytest
from yarl import URL

from lading.plugins.contracts import Source
from lading.plugins.errors import (
    AddressNotAllowed,
    ConnectFailed,
    FetcherBusy,
    FetchTimeout,
    HostNotAllowed,
    OriginDenied,
    OriginUnavailable,
    ProxyUnavailable,
    TlsFailed,
)
from lading.plugins.fetchers.http.options import HttpOptions
from lading.plugins.fetchers.http.wire.proxy import Proxy, parse_proxy
from lading.plugins.host.validation import OptionsRejected, validate_options
from lading.plugins.testing.origin import Origin, answer, redirect
from tests.unit.plugins.fetchers.outgoing import OutgoingProxy, trusted_localhost
from tests.unit.plugins.fetchers.support import SECRET, everything_logged, fetch, http_fetcher

SCHEMES = ("http", "socks5")


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    return trusted_localhost(monkeypatch)


def looked_up(_host: str) -> tuple[str, ...]:
    return ("127.0.0.1",)


# --- the option -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("", None),
        ("http://proxy.example:3128", Proxy("http", "proxy.example", 3128)),
        ("socks5://127.0.0.1:1080/", Proxy("socks5", "127.0.0.1", 1080)),
        ("socks5://[::1]:1080", Proxy("socks5", "::1", 1080)),
        ("http://a%40b:p%3Aw@proxy.example:1", Proxy("http", "proxy.example", 1, "a@b", "p:w")),
    ],
)
def test_proxies(text: str, proxy: Proxy | None) -> None:
    assert parse_proxy(text) == proxy
    assert "p:w" not in repr(parse_proxy(text))


def test_the_place_of_a_proxy_with_an_ipv6_address_is_a_url() -> None:
    proxy = parse_proxy("http://[2001:db8::1]:3128")
    assert proxy is not None
    assert URL(proxy.place).host == "2001:db8::1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"https://u:{SECRET}@proxy.example:1", "begins with neither http:// nor socks5://"),
        (f"socks5h://u:{SECRET}@proxy.example:1", "begins with neither"),
        (f"u:{SECRET}@proxy.example:1", "begins with neither"),
        (f"http://u:{SECRET}@proxy.example", "has no host and port"),
        (f"http://u:{SECRET}@:80", "has no host and port"),
        (f"http://u:{SECRET}@proxy.example:x", "has no valid host and port"),
        (f"http://u:{SECRET}@proxy.example:1/path", "has more than credentials"),
        (f"http://{SECRET}@proxy.example:1", "needs a user name without a colon, and a password"),
        (f"http://a%3Ab:{SECRET}@proxy.example:1", "needs a user name without a colon"),
        (f"socks5://u:{SECRET * 30}@proxy.example:1", "of more than 255 bytes"),
    ],
)
def test_a_faulty_proxy_is_explained_without_its_password(text: str, fault: str) -> None:
    with pytest.raises(OptionsRejected, match=fault) as caught:
        validate_options(HttpOptions, {"proxy": text})
    assert SECRET not in everything_logged(caught.value)
    assert SECRET not in repr(HttpOptions.model_validate({"proxy": f"http://u:{SECRET}@proxy.example:1"}))


# --- whom it is asked for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.gen_test
async def test_https_goes_through_a_tunnel_to_the_judged_address(scheme: str, split: bool, tls: ssl.SSLContext) -> None:
    async with (
        OutgoingProxy(scheme, login=("user", "päss"), split=split) as proxy,
        Origin({"/a": answer(b"image")}, tls=tls, name="localhost") as origin,
        http_fetcher(lookup=looked_up, proxy=proxy.url("user:p%C3%A4ss")) as fetcher,
    ):
        for _ in range(2):
            assert await fetch(fetcher, origin.url("/a")) == b"image"
        kind = "CONNECT" if scheme == "http" else "address"
        assert proxy.asked == [f"{kind} 127.0.0.1:{origin.port}"], "and the connection is kept"
        assert all("proxy-authorization" not in one.headers for one in origin.requests)
        with pytest.raises(TlsFailed):
            await fetch(fetcher, origin.url("/a", name="other.test"))


@pytest.mark.gen_test
async def test_an_http_proxy_reads_whole_urls() -> None:
    async with (
        OutgoingProxy("http", login=("user", SECRET), hosts={"a.test": "127.0.0.1"}) as proxy,
        Origin({"/a": redirect("/b"), "/b": answer(b"image")}, name="a.test") as origin,
        http_fetcher(lookup=looked_up, proxy=proxy.url(f"user:{SECRET}")) as fetcher,
    ):
        assert await fetch(fetcher, origin.url("/a?b=c")) == b"image"
        assert proxy.asked == [f"GET {origin.url('/a?b=c')}", f"GET {origin.url('/b')}"]
        assert all(
            f"Host: a.test:{origin.port}" in head and "Proxy-Authorization: Basic " in head for head in proxy.heads
        )
        assert [one.target for one in origin.requests] == ["/a?b=c", "/b"]


@pytest.mark.gen_test
async def test_socks_carries_http_to_the_judged_address() -> None:
    async with (
        OutgoingProxy("socks5") as proxy,
        Origin({"/a": answer(b"image")}, name="a.test") as origin,
        http_fetcher(lookup=looked_up, proxy=proxy.url()) as fetcher,
    ):
        assert await fetch(fetcher, origin.url("/a")) == b"image"
        assert proxy.asked == [f"address 127.0.0.1:{origin.port}"]
        assert origin.requests[0].target == "/a"
        await fetcher.post(origin.url("/a"), {}, b"{}", timeout=10)
        assert len(origin.requests) == 2, "webhooks go the same way"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.gen_test
async def test_names_are_the_proxys_to_look_up_if_the_operator_says_so(scheme: str, tls: ssl.SSLContext) -> None:
    def nobody(_host: str) -> tuple[str, ...]:
        raise AssertionError("nothing may be looked up")

    async with (
        OutgoingProxy(scheme, hosts={"localhost": "127.0.0.1"}) as proxy,
        Origin({"/a": answer(b"image")}, tls=tls, name="localhost") as origin,
        http_fetcher(lookup=nobody, proxy=proxy.url(), proxy_lookup="remote", allow_networks="") as fetcher,
    ):
        assert await fetch(fetcher, origin.url("/a")) == b"image"
        kind = "CONNECT" if scheme == "http" else "name"
        assert proxy.asked == [f"{kind} localhost:{origin.port}"]
        found = [one async for one in fetcher.explain(Source(origin.url("/a")), follow=False)]
        assert found[-1].rule == "unknown: the proxy looks the name up"
        for literal in ("http://127.0.0.1/", "https://10.0.0.1/", "https://[::ffff:127.0.0.1]/"):
            with pytest.raises(AddressNotAllowed):
                await fetch(fetcher, literal)
        assert len(proxy.asked) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("url", ["http://a.test/", "https://a.test/", "http://10.0.0.1/", "https://10.0.0.1/"])
@pytest.mark.gen_test
async def test_a_denied_address_is_not_even_told_to_the_proxy(scheme: str, url: str) -> None:
    async with OutgoingProxy(scheme) as proxy:
        async with http_fetcher(lookup=lambda _: ("8.8.8.8", "10.0.0.1"), proxy=proxy.url(), allow_networks="") as one:
            with pytest.raises(AddressNotAllowed):
                await fetch(one, url)
        assert proxy.asked == []


# --- whose fault a failure is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("url", ["http://a.test/", "https://a.test/"])
@pytest.mark.gen_test
async def test_a_proxy_that_is_away_or_refuses_the_credentials_is_no_fault_of_the_origin(scheme: str, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with OutgoingProxy(scheme, login=("user", "right")) as proxy:
        away, *refused = (f"{scheme}://127.0.0.1:{port}", proxy.url(f"user:{SECRET}"), proxy.url())
        # The answer of an HTTP proxy to a whole url may be that of the origin: a 407 from there counts.
        for place in (away, *(refused if scheme == "socks5" or url.startswith("https") else ())):
            async with http_fetcher(lookup=looked_up, proxy=place) as fetcher:
                with pytest.raises(ProxyUnavailable) as caught:
                    await fetch(fetcher, url)
            assert isinstance(caught.value, FetcherBusy), "no attempt counts"
            assert SECRET not in everything_logged(caught.value)
            assert "127.0.0.1" not in caught.value.detail


@pytest.mark.parametrize(
    ("scheme", "refusal", "error"),
    [
        ("http", 403, HostNotAllowed),
        ("http", 408, ProxyUnavailable),
        ("http", 425, ProxyUnavailable),
        ("http", 429, ProxyUnavailable),
        ("http", 405, HostNotAllowed),
        ("http", 502, ConnectFailed),
        ("http", 504, ConnectFailed),
        ("http", 101, ConnectFailed),
        ("socks5", 2, HostNotAllowed),
        ("socks5", 1, ConnectFailed),
        ("socks5", 5, ConnectFailed),
        ("socks5", 99, ConnectFailed),
    ],
)
@pytest.mark.gen_test
async def test_what_the_proxy_refuses_and_what_it_cannot_reach(
    scheme: str, refusal: int, error: type[Exception]
) -> None:
    async with OutgoingProxy(scheme, refusal=refusal) as proxy:
        async with http_fetcher(lookup=lambda _: ("127.0.0.1", "127.0.0.2"), proxy=proxy.url()) as fetcher:
            with pytest.raises(error):
                await fetch(fetcher, "https://a.test/")
        assert len(proxy.asked) == (2 if error is ConnectFailed else 1), "each address is tried"


@pytest.mark.parametrize(("refusal", "error"), [(403, OriginDenied), (407, OriginUnavailable)])
@pytest.mark.gen_test
async def test_the_answer_of_a_proxy_to_a_whole_url_is_the_answer_of_the_origin(
    refusal: int, error: type[Exception]
) -> None:
    async with OutgoingProxy("http", refusal=refusal) as proxy:
        async with http_fetcher(lookup=looked_up, proxy=proxy.url()) as fetcher:
            with pytest.raises(error):
                await fetch(fetcher, "http://a.test/")


@pytest.mark.parametrize(("scheme", "error"), [("http", OriginUnavailable), ("socks5", OriginDenied)])
@pytest.mark.gen_test
async def test_an_origin_that_answers_407_is_no_outage_of_the_proxy(scheme: str, error: type[Exception]) -> None:
    async with OutgoingProxy(scheme) as proxy, Origin({"/": answer(b"", 407)}) as origin:
        async with http_fetcher(lookup=looked_up, proxy=proxy.url()) as fetcher:
            with pytest.raises(error) as caught:
                await fetch(fetcher, origin.url("/"))
    assert not isinstance(caught.value, FetcherBusy), "the attempt counts"


@pytest.mark.gen_test
async def test_an_address_of_the_proxy_that_answers_nothing_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    really = loop.sock_connect

    async def connect(sock: socket.socket, address: tuple[str, int]) -> None:
        if address[0] == "127.0.0.9":
            await asyncio.Event().wait()
        await really(sock, address)

    monkeypatch.setattr(loop, "sock_connect", connect)

    def lookup(host: str) -> tuple[str, ...]:
        return ("127.0.0.9", "127.0.0.1") if host == "proxy.test" else ("127.0.0.1",)

    async with OutgoingProxy("http") as proxy, Origin({"/": answer(b"abc")}) as origin:
        place = f"http://proxy.test:{proxy.port}"
        async with http_fetcher(lookup=lookup, proxy=place, connect_timeout=2) as fetcher:
            assert await fetch(fetcher, origin.url("/")) == b"abc"


@pytest.mark.parametrize(
    ("scheme", "sent", "error"),
    [
        ("http", b"", (FetchTimeout, ProxyUnavailable)),
        ("socks5", b"", ProxyUnavailable),
        ("http", b"SSH-2.0-OpenSSH\r\n\r\n", ProxyUnavailable),
        ("http", b"HTTP/1.1 200 OK\r\n\r\nmore", ProxyUnavailable),
        ("http", b"x" * 20_000, ProxyUnavailable),
        ("socks5", b"HTTP/1.1 400 Bad Request\r\n\r\n", ProxyUnavailable),
        ("socks5", b"\x05\x00\x04\x00\x00\x01", ProxyUnavailable),
    ],
)
@pytest.mark.gen_test
async def test_a_proxy_that_is_none_costs_a_bounded_time(
    scheme: str, sent: bytes, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    async with OutgoingProxy(scheme, nonsense=sent) as proxy:
        async with http_fetcher(lookup=looked_up, proxy=proxy.url(), connect_timeout=5 if sent else 0.5) as fetcher:
            with pytest.raises(error):
                await fetch(fetcher, "https://a.test/")
