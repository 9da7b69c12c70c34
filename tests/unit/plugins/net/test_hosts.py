"""``allow_hosts`` and ``deny_hosts``: what they match, and that a denied host never sees a connection."""

import pytest
from pydantic import ValidationError

from lading.plugins.contracts import Source
from lading.plugins.errors import AddressNotAllowed, HostNotAllowed
from lading.plugins.fetchers.http.options import HttpOptions
from lading.plugins.testing.origin import Origin, answer, redirect
from tests.unit.plugins.fetchers.support import SECRET, everything_logged, fetch, http_fetcher


def loopback(_: str) -> tuple[str, ...]:
    return ("127.0.0.1",)


@pytest.mark.parametrize(
    ("host", "is_denied"),
    [
        ("evil.example", True),
        ("EVIL.example", True),
        ("evil.example.", True),
        ("a.evil.example", True),
        ("a.b.evil.example", True),
        ("notevil.example", False),
        ("evil.example.org", False),
        ("exact.example", True),
        ("Exact.Example.", True),
        ("a.exact.example", False),
        ("bücher.example", True),
        ("xn--bcher-kva.example", True),
        ("www.bücher.example", False),
        ("example", False),
        ("127.0.0.1", False),
    ],
)
@pytest.mark.gen_test
async def test_denied_hosts_are_known_in_every_spelling(host: str, is_denied: bool) -> None:
    lists = {"deny_hosts": ".evil.example, EXACT.example., bücher.example"}
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher(lookup=loopback, **lists) as fetcher:
        url = origin.url(f"/a?token={SECRET}", name=host)
        if not is_denied:
            assert await fetch(fetcher, url) == b"image"
            return
        with pytest.raises(HostNotAllowed):
            fetcher.check(Source(url))
        with pytest.raises(HostNotAllowed) as caught:
            await fetch(fetcher, url)
        assert SECRET not in everything_logged(caught.value)
        assert origin.connections == 0


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("good.example", True),
        ("cdn.good.example", True),
        ("bad.good.example", False),
        ("a.bad.good.example", False),
        ("good.example.evil.example", False),
        ("xgood.example", False),
        ("localhost", False),
        ("127.0.0.1", False),
        ("[::ffff:127.0.0.1]", False),
        ("[::1]", False),
    ],
)
@pytest.mark.gen_test
async def test_beside_allowed_hosts_there_are_no_others(host: str, is_allowed: bool) -> None:
    lists = {"allow_hosts": ".good.example", "deny_hosts": ".bad.good.example"}
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher(lookup=loopback, **lists) as fetcher:
        if is_allowed:
            assert await fetch(fetcher, origin.url("/a", name=host)) == b"image"
            return
        with pytest.raises(HostNotAllowed):
            await fetch(fetcher, origin.url("/a", name=host))
        assert origin.connections == 0


@pytest.mark.gen_test
async def test_an_allowed_host_opens_no_address() -> None:
    async with Origin({"/a": answer(b"image")}) as origin:
        async with http_fetcher(lookup=loopback, allow_hosts="good.example", allow_networks="") as fetcher:
            with pytest.raises(AddressNotAllowed):
                await fetch(fetcher, origin.url("/a", name="good.example"))
        assert origin.connections == 0


@pytest.mark.parametrize("lists", [{"deny_hosts": ".evil.example"}, {"allow_hosts": "good.example"}])
@pytest.mark.gen_test
async def test_redirects_to_a_denied_host_never_reach_it(lists: dict[str, str]) -> None:
    async with Origin({"/secret": answer(b"image")}) as denied, Origin() as origin:
        for name in ("evil.example", "EVIL.example.", "a.evil.example"):
            origin.routes["/a"] = redirect(denied.url("/secret", name=name))
            async with http_fetcher(lookup=loopback, **lists) as fetcher:
                with pytest.raises(HostNotAllowed):
                    await fetch(fetcher, origin.url("/a", name="good.example"))
        assert denied.connections == 0


@pytest.mark.parametrize("option", ["allow_hosts", "deny_hosts"])
@pytest.mark.parametrize(
    "value",
    [
        ".",
        "..a",
        "*.a",
        "a b",
        "a..b",
        "http://a",
        "a:80",
        "a/b",
        "user@a",
        "127.0.0.1",
        ".10.0.0.1",
        "::1",
        "[::1]",
        "127.1",
        "2130706433",
        "１２７.0.0.1",
        "exämple.a*b",
        "a" * 64,
    ],
)
def test_what_is_no_name_is_refused_as_the_service_starts(option: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HttpOptions.model_validate({option: value})
    assert {error["loc"][0] for error in caught.value.errors()} == {option}


def test_the_lists_are_written_as_they_are_read() -> None:
    options = HttpOptions.model_validate({"deny_hosts": "A.example., .bücher.example ,"})
    assert [str(pattern) for pattern in options.deny_hosts] == ["a.example", ".xn--bcher-kva.example"]
    assert options.allow_hosts == ()
