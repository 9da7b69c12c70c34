import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import AddressNotAllowed, OriginDenied, RedirectNotAllowed, TooManyRedirects
from lading.plugins.testing.origin import Exchange, Origin, answer, head, raw, redirect
from tests.unit.plugins.fetchers.support import SECRET, everything_logged, fetch, http_fetcher


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.gen_test
async def test_every_kind_of_redirect_is_followed_with_get(status: int) -> None:
    async with Origin({"/a": redirect("/b?c", status), "/b": answer(b"image")}) as origin, http_fetcher() as fetcher:
        assert await fetch(fetcher, origin.url("/a")) == b"image"
    assert [(request.method, request.target) for request in origin.requests] == [("GET", "/a"), ("GET", "/b?c")]
    assert origin.connections == 1


@pytest.mark.gen_test
async def test_locations_may_be_relative_absolute_or_in_utf_8() -> None:
    async with Origin() as other, Origin() as origin, http_fetcher() as fetcher:
        other.routes = {"/e": redirect(origin.url("/f/%C3%A9"))}
        origin.routes = {
            "/a/b": redirect("../c"),
            "/c": redirect("?d"),
            "/f/%C3%A9": redirect("ü.jpg"),
            "/f/%C3%BC.jpg": answer(b"image"),
        }
        origin.routes["/c"] = redirect(f"//127.0.0.1:{other.port}/e")
        async with fetcher.open(Source(origin.url("/a/b"))) as fetched:
            assert [chunk async for chunk in fetched.chunks] == [b"image"]
        assert fetched.filename == "ü.jpg"


@pytest.mark.gen_test
async def test_only_so_many_redirects_are_followed() -> None:
    routes = {f"/{number}": redirect(f"/{number + 1}") for number in range(10)}
    async with Origin({**routes, "/10": answer(b"image")}) as origin, http_fetcher(max_redirects=3) as fetcher:
        assert await fetch(fetcher, origin.url("/7")) == b"image"
        with pytest.raises(TooManyRedirects) as caught:
            await fetch(fetcher, origin.url("/6"))
        assert caught.value.facts["limit"] == 3
        assert len(origin.requests) == 8


@pytest.mark.gen_test
async def test_no_redirect_is_followed_where_none_is_allowed() -> None:
    async with Origin({"/a": redirect("/b")}) as origin, http_fetcher(max_redirects=0) as fetcher:
        with pytest.raises(TooManyRedirects):
            await fetch(fetcher, origin.url("/a"))
        assert len(origin.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "ftp://example.org/a",
        "file:///etc/passwd",
        "data:image/gif;base64,R0lG",
        "javascript:alert(1)",
        "http://user:password@127.0.0.1/",
        "http://127.1:22/",
        "http://1.2.3.4.5/",
        "http://a%00b/",
        "http://127.0.0.1:22/",
        "http://example.org:25/",
        "http://exa mple.org/",
        "\\\\127.0.0.1:22\\a",
        "http://[fe80::1%25lo]/",
        "//",
        "/" + "a" * 9000,
    ],
)
@pytest.mark.gen_test
async def test_redirects_pass_the_whole_check(location: str) -> None:
    async with Origin({"/a": redirect(location)}) as origin:
        async with http_fetcher(ports=f"80, {origin.port}", head_max_bytes=65536) as fetcher:
            with pytest.raises(RedirectNotAllowed) as caught:
                await fetch(fetcher, origin.url(f"/a?token={SECRET}"))
            assert caught.value.facts["reason"] == "its url is not acceptable"
            assert SECRET not in everything_logged(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "0xa.1",
        "１０.0.0.1",
        "%31%30.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
    ],
)
@pytest.mark.gen_test
async def test_redirects_to_denied_addresses_are_refused(host: str) -> None:
    async with Origin({"/a": redirect(f"http://{host}/latest/meta-data")}) as origin:
        async with http_fetcher(allow_networks="127.0.0.0/8") as fetcher:
            with pytest.raises(AddressNotAllowed):
                await fetch(fetcher, origin.url("/a"))


@pytest.mark.gen_test
async def test_a_redirect_that_says_two_places_is_refused() -> None:
    twice = raw(head(302, {"Location": "/b"})[:-2] + b"Location: /c\r\nContent-Length: 0\r\n\r\n")
    async with Origin({"/a": twice}) as origin, http_fetcher() as fetcher:
        with pytest.raises(Exception, match="without saying where to"):
            await fetch(fetcher, origin.url("/a"))
        assert len(origin.requests) == 1


@pytest.mark.gen_test
async def test_secret_headers_go_to_no_other_origin_and_not_back() -> None:
    secret = {"Authorization": f"Bearer {SECRET}", "cookie": f"a={SECRET}", "X-Api-Key": SECRET, "Origin": SECRET}
    harmless = {"USER-agent": "Mozilla/5.0", "Accept": "image/png", "Accept-Language": "fr", "Referer": "http://r/"}
    async with Origin() as other, Origin() as origin, http_fetcher() as fetcher:
        origin.routes = {"/a": redirect("/b"), "/b": redirect(other.url("/c")), "/d": answer(b"image")}
        other.routes = {"/c": redirect(origin.url("/d"))}
        assert await fetch(fetcher, origin.url("/a"), secret | harmless) == b"image"
    with_secret = [SECRET in str(request.headers) for request in origin.requests]
    assert with_secret == [True, True, False]
    assert SECRET not in str(other.requests)
    for request in (*origin.requests, *other.requests):
        assert {name: request.headers.get(name.lower()) for name in harmless} == harmless


@pytest.mark.gen_test
async def test_an_origin_that_wants_the_agent_of_the_client_gets_it_behind_a_redirect() -> None:
    async def picky(exchange: Exchange) -> bool:
        is_browser = exchange.request.headers.get("user-agent") == "Mozilla/5.0"
        return await answer(b"image" if is_browser else b"", 200 if is_browser else 403)(exchange)

    async with Origin({"/b": picky}) as other, Origin({"/a": redirect(other.url("/b"))}) as origin:
        async with http_fetcher() as fetcher:
            assert await fetch(fetcher, origin.url("/a"), {"User-Agent": "Mozilla/5.0"}) == b"image"
            with pytest.raises(OriginDenied):
                await fetch(fetcher, origin.url("/a"))


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/u/Banner op hotel.jpg", "/u/Banner%20op%20hotel.jpg"),
        (" /b.jpg ", "/b.jpg"),
        ("/a\\b.jpg", "/a/b.jpg"),
        ("/a|b{c}.jpg", "/a%7Cb%7Bc%7D.jpg"),
        ("/x/../b.jpg", "/b.jpg"),
        ("/Müller.jpg", "/M%C3%BCller.jpg"),
        ("b.jpg#fragment with spaces", "/b.jpg"),
        ("/a\tb.jpg", "/ab.jpg"),
        ("/50% off.jpg", "/50%%20off.jpg"),
    ],
)
@pytest.mark.gen_test
async def test_locations_are_read_as_servers_write_them(location: str, target: str) -> None:
    async with Origin({"/a": redirect(location), target: answer(b"image")}) as origin, http_fetcher() as fetcher:
        assert await fetch(fetcher, origin.url("/a")) == b"image"
        assert origin.requests[-1].target == target


@pytest.mark.gen_test
async def test_a_location_in_latin_1_keeps_its_bytes() -> None:
    there = raw(head(302, {})[:-2] + b"Location: /M\xfcller b.jpg\r\nContent-Length: 0\r\n\r\n")
    async with Origin({"/a": there, "/M%FCller%20b.jpg": answer(b"image")}) as origin, http_fetcher() as fetcher:
        assert await fetch(fetcher, origin.url("/a")) == b"image"


@pytest.mark.gen_test
async def test_the_same_address_at_another_name_is_another_origin() -> None:
    async with Origin() as origin, http_fetcher(lookup=lambda _: ("127.0.0.1",)) as fetcher:
        origin.routes = {"/a": redirect(origin.url("/b", name="b.example")), "/b": answer(b"image")}
        await fetch(fetcher, origin.url("/a", name="a.example"), {"X-Key": SECRET})
    assert ["x-key" in request.headers for request in origin.requests] == [True, False]
