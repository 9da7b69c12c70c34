"""A denied address never sees a connection, by whichever way it is named."""

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from yarl import URL

from lading.plugins.contracts import Source
from lading.plugins.errors import (
    AddressNotAllowed,
    FetchError,
    HeaderNotAllowed,
    HostNotAllowed,
    SourceRefused,
    UrlInvalid,
    UrlPortNotAllowed,
)
from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.plugins.net.system import system_lookup
from lading.plugins.testing.origin import Origin, answer, redirect
from tests.unit.plugins.fetchers.support import SECRET, fetch, http_fetcher

HOSTS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.0.0.01",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "127.127.127.127",
    "0.0.0.0",
    "0",
    "１２７.0.0.1",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    "[::1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[::ffff:0.0.0.0]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::1]",
    "[2606:4700::5efe:127.0.0.1]",
    "[::1%25lo]",
    "[fe80::1%25lo]",
    "localhost",
    "LOCALHOST",
    "localhost.",
]


@pytest.fixture
def families() -> list[str]:
    """Wildcard addresses to listen on: a dual-stack socket hears mapped addresses too, where there is IPv6."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return ["0.0.0.0", "::"]
    except OSError:
        return ["0.0.0.0"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.gen_test
async def test_literals_and_names_of_loopback_never_reach_it(host: str, families: list[str]) -> None:
    for family in families:
        async with Origin({"/a": answer(b"image")}, host=family) as origin:
            # Deny is the default; with the IPv6 networks allowed, the carried IPv4 address still is denied.
            for allow in ("", "2000::/3, ::7f00:0/104, ::ffff:0:0/96, 64:ff9b::/32"):
                async with http_fetcher(allow_networks=allow, connect_timeout=1) as fetcher:
                    with pytest.raises(FetchError) as caught:
                        await fetch(fetcher, origin.url("/a", name=host))
                    assert allow or isinstance(caught.value, SourceRefused)
            assert origin.connections == 0


ADDRESSES = ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "fe80::1%lo"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.gen_test
async def test_names_that_resolve_to_loopback_never_reach_it(address: str, families: list[str]) -> None:
    for family in families:
        async with Origin({"/a": answer(b"image")}, host=family) as origin:
            for answers in ((address,), ("1.1.1.1", address), (address, "1.1.1.1")):
                async with http_fetcher(lookup=lambda _, found=answers: found, allow_networks="") as fetcher:  # type: ignore[misc]
                    with pytest.raises(AddressNotAllowed):
                        await fetch(fetcher, origin.url("/a", name="images.example"))
            assert origin.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "[::ffff:127.0.0.2]", "denied.example", "localhost"])
@pytest.mark.gen_test
async def test_redirects_to_a_denied_address_never_reach_it(host: str, families: list[str]) -> None:
    def look_up(name: str) -> tuple[str, ...]:
        return ("127.0.0.2",) if name == "denied.example" else ("127.0.0.3",) if name == "localhost" else ("127.0.0.1",)

    for family in families:
        async with Origin({"/secret": answer(b"image")}, host=family) as denied, Origin() as origin:
            origin.routes["/a"] = redirect(denied.url("/secret", name=host))
            async with http_fetcher(lookup=look_up, allow_networks="127.0.0.1/32") as fetcher:
                with pytest.raises(AddressNotAllowed):
                    await fetch(fetcher, origin.url("/a"))
            assert denied.connections == 0
            assert origin.connections == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
@pytest.mark.gen_test
async def test_the_same_listener_is_reached_once_its_network_is_allowed(host: str, families: list[str]) -> None:
    if ":" in host and len(families) == 1:
        pytest.skip("this machine has no IPv6 loopback")
    async with Origin({"/a": answer(b"image")}, host=families[-1]) as origin, http_fetcher() as fetcher:
        assert await fetch(fetcher, origin.url("/a", name=host)) == b"image"
        assert origin.connections == 1


@pytest.mark.gen_test
async def test_deny_networks_beat_allow_networks() -> None:
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher(deny_networks="127.0.0.1/32") as fetcher:
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "localhost"):
            with pytest.raises(AddressNotAllowed):
                await fetch(fetcher, origin.url("/a", name=host))
        assert origin.connections == 0


async def request_unchecked(fetcher: HttpFetcher, url: str) -> None:
    """Ask aiohttp itself, past every check but that of the socket."""
    async with fetcher._client._session.get(URL(url, encoded=True)):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
@pytest.mark.gen_test
async def test_the_socket_alone_refuses_a_literal(host: str, families: list[str]) -> None:
    for family in families:
        async with Origin({"/a": answer(b"image")}, host=family) as origin, http_fetcher(allow_networks="") as fetcher:
            with pytest.raises(OSError, match="loopback"):
                await request_unchecked(fetcher, origin.url("/a", name=host))
            assert origin.connections == 0


@pytest.mark.gen_test
async def test_the_socket_alone_refuses_what_a_resolver_lets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher(allow_networks="") as fetcher:

        async def resolve(_: object, host: str) -> tuple[str, ...]:
            return ("127.0.0.1", "127.0.0.2")

        monkeypatch.setattr("lading.plugins.net.resolver.HostResolver.resolve", resolve)
        with pytest.raises(FetchError):
            await fetch(fetcher, origin.url("/a", name="images.example"))
        assert origin.connections == 0


@pytest.mark.gen_test
async def test_a_name_is_looked_up_once_for_a_connection() -> None:
    asked: list[str] = []

    def rebinding(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) == 1 else ("127.0.0.2",)

    async with Origin({"/a": answer(b"image")}) as origin:
        async with http_fetcher(lookup=rebinding, allow_networks="127.0.0.1/32") as fetcher:
            assert await fetch(fetcher, origin.url("/a", name="images.example")) == b"image"
            assert asked == ["images.example"]


@pytest.mark.gen_test
async def test_check_refuses_literals_without_any_lookup() -> None:
    def look_up(_: str) -> tuple[str, ...]:
        raise AssertionError("nothing may be looked up")

    async with http_fetcher(lookup=look_up, allow_networks="") as fetcher:
        for host in ("127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:10.0.0.1]"):
            with pytest.raises(AddressNotAllowed) as caught:
                fetcher.check(Source(f"http://{host}/?token={SECRET}"))
            assert SECRET not in str(caught.value)
        fetcher.check(Source("http://localhost/"))
        fetcher.check(Source("http://8.8.8.8/"))


def test_the_system_gives_addresses_that_can_be_judged() -> None:
    for address in system_lookup("localhost"):
        assert IPv6Address(address).is_loopback if ":" in address else IPv4Address(address).is_loopback


@pytest.mark.gen_test
async def test_what_was_let_pass_is_remembered_and_judged_in_full_where_it_differs() -> None:
    async with http_fetcher(deny_hosts=["denied.test"], ports=["80"]) as fetcher:
        for _ in range(2):
            fetcher.check(Source(f"http://good.test/a.jpg?{SECRET}"))
            with pytest.raises(HeaderNotAllowed):
                fetcher.check(Source(f"http://good.test/a.jpg?{SECRET}", {"Host": "x"}))
            with pytest.raises(UrlPortNotAllowed):
                fetcher.check(Source("http://good.test:81/a.jpg"))
            with pytest.raises(HostNotAllowed):
                fetcher.check(Source("http://denied.test/a.jpg"))
            with pytest.raises(AddressNotAllowed):
                fetcher.check(Source("http://10.0.0.1/a.jpg"))
            with pytest.raises(UrlInvalid):
                fetcher.check(Source("http://good.test:99999/a.jpg"))
