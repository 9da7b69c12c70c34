"""Cases of the HTTP suite: what is sent, and where redirects lead."""

import asyncio
from dataclasses import replace
from typing import Final

import pytest

from ....contracts import Source
from ....errors import FetchError, RedirectNotAllowed, SourceNotModified, SourceRefused
from ...origin import Behaviour, Exchange, answer, head, raw, redirect, repeat
from ..support import FetchLimits, assert_error, assert_whole, fetch
from .support import BODY, DATA, HttpHarness

SECRET: Final = "KitSecret9b2e"  # noqa: S105 - it stands for one

FORBIDDEN: Final = (
    "file:///etc/passwd",
    "ftp://example.org/a",
    "gopher://example.org/a",
    "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
    "javascript:alert(1)",
    "HTTP://",
    "//",
)
"""Where no redirect may lead, whatever the fetcher."""

INJECTIONS: Final = {
    "X-A": "b\r\nX-Smuggled: 1",
    "X-B": "b\nX-Smuggled: 1",
    "X-C\r\nX-Smuggled": "1",
    "X-D: 1\r\nX-Smuggled": "1",
}


def versioned(etag: str) -> Behaviour:
    """An image with an entity tag, which is not sent to who has it."""

    async def behave(exchange: Exchange) -> bool:
        if exchange.request.headers.get("if-none-match") == etag:
            return await raw(head(304))(exchange)
        return await answer(DATA, headers={"ETag": etag})(exchange)

    return behave


class RequestCases(HttpHarness):
    async def test_what_is_sent(self) -> None:
        """The fetcher sends one GET with the source's headers, and no header that asks for anything else."""
        async with self.opened() as fetcher:
            source = Source(self.route(answer(DATA)) + "?a=b&c", {"X-Key": "value", "Authorization": "Bearer x"})
            assert_whole(await fetch(fetcher, source), BODY, "a source with headers")
        (request,) = self.origin.requests
        assert request.method == "GET", f"the method is {request.method}"
        assert request.target == source.url.removeprefix(self.origin.url("")), "another path or query is asked for"
        assert request.headers.get("host") == f"127.0.0.1:{self.origin.port}", "the origin is not told its name"
        assert request.headers.get("x-key") == "value", "the source's headers are not sent"
        assert request.headers.get("authorization") == "Bearer x", "the source's headers are not sent"
        for name in ("range", "if-none-match", "if-modified-since", "content-length", "transfer-encoding", "upgrade"):
            assert name not in request.headers, f"{name} asks for something else than the image"

    async def test_headers_carry_no_others(self) -> None:
        """Line breaks in a source's header never smuggle in another header."""
        source = Source(self.route(answer(DATA)))
        async with self.opened() as fetcher:
            for name, value in INJECTIONS.items():
                done = await fetch(fetcher, replace(source, headers={name: value}))
                assert done.error is None or isinstance(done.error, SourceRefused), f"{name!r}: {done.error!r}"
            for end in ("\r\nX-Smuggled: 1", " HTTP/1.1\r\nX-Smuggled: 1\r\n\r\n", "?\nX-Smuggled: 1"):
                await fetch(fetcher, Source(source.url + end))  # which may be refused, or mended
        assert not [one for one in self.origin.requests if "x-smuggled" in one.headers], "a header is smuggled in"

    async def test_one_fetch_leaves_nothing_to_the_next(self) -> None:
        """Neither headers, cookies nor entity tags of one fetch reach the next."""
        first = self.route(answer(DATA, headers={"Set-Cookie": f"a={SECRET}; Path=/", "ETag": f'"{SECRET}"'}))
        async with self.opened() as fetcher:
            for source in (Source(first, {"X-Key": SECRET}), Source(first), Source(self.route(answer(DATA)))):
                assert_whole(await fetch(fetcher, source), BODY, "a plain source")
        _, *later = self.origin.requests
        assert SECRET not in str(later), "what one fetch sends or is sent goes along with another"

    async def test_a_version_that_is_known(self) -> None:
        """A fetcher that reports an unchanged source has sent ``If-None-Match``; it may ignore ``if_none_match``."""
        here = self.route(versioned('"v2"'))
        async with self.opened() as fetcher:
            changed = await fetch(fetcher, Source(here, if_none_match='"v1"'))
            assert_whole(changed, BODY, "a source with a new version")
            known = await fetch(fetcher, Source(here, if_none_match='"v2"'))
            if isinstance(known.error, SourceNotModified):
                assert self.origin.requests[-1].headers.get("if-none-match") == '"v2"', "the origin was not asked"
            else:
                assert_whole(known, BODY, "a source whose version is known")
            assert_whole(await fetch(fetcher, Source(here)), BODY, "a source without a version")
        assert "if-none-match" not in self.origin.requests[-1].headers, "what one fetch knows goes along with another"

    # --- redirects ----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirects_are_followed(self, status: int) -> None:
        """The fetcher follows 301, 302, 303, 307 and 308 to absolute and relative locations, by GET."""
        there = self.route(answer(DATA, headers={"Content-Type": "image/png"}))
        path = there.removeprefix(self.origin.url(""))
        elsewhere = f"//127.0.0.1:{self.origin.port}{path}"
        async with self.opened() as fetcher:
            for location in (there, path, f"..{path}", elsewhere, f"{path}#fragment"):
                here = self.route(redirect(location, status))
                done = await fetch(fetcher, Source(here))
                assert_whole(done, BODY, f"a redirect to {location}")
                assert done.fetched is not None
                assert done.fetched.content_length in {BODY.size, None}, "the redirect's length is announced"
        assert {request.method for request in self.origin.requests} == {"GET"}

    async def test_a_chain_of_redirects(self) -> None:
        """The fetcher follows three redirects in a row."""
        url = self.route(answer(DATA))
        for _ in range(3):
            url = self.route(redirect(url))
        async with self.opened() as fetcher:
            assert_whole(await fetch(fetcher, Source(url)), BODY, "a chain of three redirects")

    async def test_redirects_come_to_an_end(self) -> None:
        """A chain of 100 redirects ends with an error that is not retryable, after 50 requests at most."""
        url = self.route(answer(DATA))
        for _ in range(100):
            url = self.route(redirect(url))
        async with self.opened() as fetcher:
            done = await fetch(fetcher, Source(url))
            assert_error(done, FetchError, "a chain of 100 redirects", retryable=False)
            assert len(self.origin.requests) <= 50, f"{len(self.origin.requests)} redirects are followed"
            await self.assert_works(fetcher)

    async def test_slow_redirects_share_one_limit(self) -> None:
        """All redirects of a fetch share one time limit."""

        async def slow(exchange: Exchange) -> bool:
            await asyncio.sleep(0.3)
            return await redirect(exchange.request.target + "x")(exchange)

        url = self.route(slow)
        for number in range(50):
            self.origin.routes[url.removeprefix(self.origin.url("")) + "x" * number] = slow
        async with self.opened(FetchLimits(seconds=0.5)) as fetcher:
            assert_error(await fetch(fetcher, Source(url), 0.5), FetchError, "slow redirects", retryable=True)
            assert len(self.origin.requests) <= 4, f"{len(self.origin.requests)} redirects of 0.3 s within 0.5 s"

    @pytest.mark.parametrize("location", FORBIDDEN)
    async def test_redirects_to_what_is_no_web_page(self, location: str) -> None:
        """A redirect to another scheme, such as ``file:`` or ``data:``, is refused for good."""
        async with self.opened() as fetcher:
            done = await fetch(fetcher, Source(self.route(redirect(location))))
            assert_error(done, (RedirectNotAllowed, SourceRefused), f"a redirect to {location}", retryable=False)
            assert len(self.origin.requests) == 1
            await self.assert_works(fetcher)

    async def test_redirects_pass_the_check(self) -> None:
        """A redirect to a url that ``check`` refuses is refused for good."""
        async with self.opened() as fetcher:
            for url in self.refused_urls:
                # Others cannot be sent in a head; and http: alone is the url that redirects (WHATWG URL section 4.4).
                if url.isprintable() and url != "http:":
                    done = await fetch(fetcher, Source(self.route(redirect(url))))
                    classes = (RedirectNotAllowed, SourceRefused)
                    assert_error(done, classes, f"a redirect to {url}", retryable=False)

    async def test_redirects_to_no_place(self) -> None:
        """A redirect without exactly one usable location raises an error that is not retryable."""
        there = self.route(answer(DATA))
        twice = head(302, {"Location": there})[:-2] + f"Location: {there}?2\r\nContent-Length: 0\r\n\r\n".encode()
        nowhere = {
            "a redirect without a place": answer(DATA, 302),
            "a redirect to nothing": redirect(""),
            "a redirect to two places": raw(twice),
        }
        async with self.opened() as fetcher:
            for name, behaviour in nowhere.items():
                done = await fetch(fetcher, Source(self.route(behaviour)))
                assert_error(done, FetchError, name, retryable=False)

    async def test_the_body_of_a_redirect_is_left(self) -> None:
        """The fetcher does not read the endless body of a redirect."""
        there = self.route(answer(DATA))
        fields = {"Location": there, "Transfer-Encoding": "chunked"}
        endless = repeat(head(302, fields), b"1000\r\n" + bytes(0x1000) + b"\r\n")
        async with self.opened(FetchLimits(max_bytes=10_000)) as fetcher:
            assert_whole(await fetch(fetcher, Source(self.route(endless))), BODY, "a redirect with an endless body")
            await self.assert_works(fetcher)

    async def test_headers_stay_with_their_origin(self) -> None:
        """A redirect to another origin, and back, does not carry along headers that may hold secrets."""
        self.elsewhere.routes["/away"] = redirect(self.route(answer(DATA)))
        headers = {"Authorization": f"Bearer {SECRET}", "Cookie": f"a={SECRET}", "X-Key": SECRET}
        async with self.opened() as fetcher:
            url = self.route(redirect(self.elsewhere.url("/away")))
            done = await fetch(fetcher, Source(url, headers))
            assert_whole(done, BODY, "a redirect to another origin, and back")
        first, *later = self.origin.requests
        assert SECRET in str(first), "the source's headers are not sent"
        assert SECRET not in str(self.elsewhere.requests), "the source's headers go to another origin"
        assert SECRET not in str(later), "the source's headers are sent again after another origin had a say"

    async def test_harmless_headers_go_along(self) -> None:
        """A redirect to another origin carries along the headers that hold no secret."""
        self.elsewhere.routes["/away"] = answer(DATA)
        headers = {
            "User-Agent": "Kit",
            "Accept": "image/png",
            "Accept-Language": "fr",
            "Referer": "http://kit.example/",
        }
        async with self.opened() as fetcher:
            url = self.route(redirect(self.elsewhere.url("/away")))
            assert_whole(await fetch(fetcher, Source(url, headers)), BODY, "a redirect to another origin")
        for request in (*self.origin.requests, *self.elsewhere.requests):
            sent = {name: request.headers.get(name.lower()) for name in headers}
            assert sent == headers, f"headers that hold no secret are lost: {sent}"

    async def test_a_url_is_no_secret_to_others(self) -> None:
        """A redirect to another origin does not reveal the first url, for example by ``Referer``."""
        self.elsewhere.routes["/away"] = answer(DATA)
        async with self.opened() as fetcher:
            url = self.route(redirect(self.elsewhere.url("/away"))) + f"?token={SECRET}"
            assert_whole(await fetch(fetcher, Source(url)), BODY, "a redirect to another origin")
        assert SECRET not in str(self.elsewhere.requests), "another origin is told the url, by Referer perhaps"
