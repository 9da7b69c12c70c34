"""Well-behaved origins, and what the fetcher sends them."""

import asyncio
import contextlib
import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import lading.plugins.fetchers.http.fetcher
from lading.plugins.contracts import Source
from lading.plugins.errors import HeaderNotAllowed, UrlInvalid, UrlPortNotAllowed, UrlSchemeNotAllowed
from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.plugins.host.turns import on_behalf_of
from lading.plugins.testing.origin import Behaviour, Exchange, Origin, answer, head, raw, repeat
from tests.support.clock import put_forward
from tests.support.plugins.scripted import rounds
from tests.unit.plugins.fetchers.support import fetch, http_fetcher

CHUNKED = head(headers={"Transfer-Encoding": "chunked"})


@pytest.mark.gen_test
async def test_the_body_and_what_is_known_of_it() -> None:
    headers = {
        "Content-Type": "Image/JPEG; q=1",
        "ETag": '"abc"',
        "Last-Modified": "Sat, 01 Aug 2026 12:00:00 GMT",
        "Content-Disposition": 'inline; filename="b.jpg"',
    }
    async with Origin({"/a.jpg": answer(b"image", headers=headers)}) as origin, http_fetcher() as fetcher:
        source = Source(origin.url("/a.jpg?size=1"))
        fetcher.check(source)
        async with fetcher.open(source) as fetched:
            assert [chunk async for chunk in fetched.chunks] == [b"image"]
    assert fetched.content_length == 5
    assert fetched.content_type == "image/jpeg"
    assert fetched.filename == "b.jpg"
    assert fetched.etag == '"abc"'
    assert fetched.last_modified == "Sat, 01 Aug 2026 12:00:00 GMT"


@pytest.mark.gen_test
async def test_the_request_that_is_sent() -> None:
    async with Origin({"/a%20b": answer(b"image")}) as origin, http_fetcher() as fetcher:
        await fetch(fetcher, origin.url("/a%20b?c=%zz&d=é#top"), {"X-Key": "secret"})
    (request,) = origin.requests
    assert (request.method, request.target) == ("GET", "/a%20b?c=%zz&d=%C3%A9")
    assert request.headers == {
        "host": f"127.0.0.1:{origin.port}",
        "accept": "image/*,*/*;q=0.8",
        "accept-encoding": "identity",
        "user-agent": "Lading",
        "x-key": "secret",
    }


@pytest.mark.parametrize(
    ("behaviour", "body"),
    [
        (answer(b"image", 203), b"image"),
        (raw(CHUNKED + b"3\r\nima\r\n2;x=y\r\nge\r\n0\r\nTrailer: x\r\n\r\n"), b"image"),
        (raw(CHUNKED, 0.01, b"3\r", 0.01, b"\nima\r\n2\r\nge\r\n", 0.01, b"0\r\n\r\n"), b"image"),
        (raw(head() + b"image"), b"image"),
        (raw(b"HTTP/1.0 200 OK\r\n\r\nimage"), b"image"),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + head(headers={"Content-Length": "5"}) + b"image"), b"image"),
        (answer(b"image", headers={"Content-Encoding": "identity"}), b"image"),
        (raw(b"\r\n", head(headers={"Content-Length": "5"}), 0.01, b"im", 0.01, b"age"), b"image"),
    ],
)
@pytest.mark.gen_test
async def test_every_framing_of_http_1_is_read(behaviour: Behaviour, body: bytes) -> None:
    async with Origin({"/a": behaviour}) as origin, http_fetcher() as fetcher:
        assert await fetch(fetcher, origin.url("/a")) == body


@pytest.mark.gen_test
async def test_a_connection_is_kept_after_a_whole_body_and_cookies_are_not() -> None:
    routes = {
        "/a": answer(b"image", headers={"Set-Cookie": "session=1"}),
        "/b": raw(CHUNKED + b"1\r\nx\r\n0\r\n\r\n", keep=True),
    }
    async with Origin(routes) as origin, http_fetcher() as fetcher:
        for path in ("/a", "/b") * 3:
            await fetch(fetcher, origin.url(path))
    assert origin.connections == 1
    assert not any("cookie" in request.headers for request in origin.requests)


@pytest.mark.gen_test
async def test_an_idle_connection_is_not_kept_for_ever() -> None:
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher(keep_alive=0.01) as fetcher:
        await fetch(fetcher, origin.url("/a"))
        await asyncio.sleep(0.1)
        await fetch(fetcher, origin.url("/a"))
    assert origin.connections == 2


@pytest.mark.gen_test
async def test_idle_connections_are_bounded() -> None:
    async with contextlib.AsyncExitStack() as stack:
        origins = [await stack.enter_async_context(Origin({"/a": answer(b"image")})) for _ in range(8)]
        fetcher = await stack.enter_async_context(http_fetcher(connections=3))
        for origin in origins:
            await fetch(fetcher, origin.url("/a"))
            await asyncio.sleep(0)
        assert len(idle_connections(fetcher)) == 3


@pytest.mark.gen_test
async def test_fetches_at_once_are_bounded_and_wait_for_their_turn() -> None:
    running = itertools.count(1)
    most = 0

    async with Origin() as origin, http_fetcher(connections=2) as fetcher:

        async def one(number: int) -> None:
            nonlocal most
            origin.routes[f"/{number}"] = answer(b"image")
            async with fetcher.open(Source(origin.url(f"/{number}"))) as fetched:
                most = max(most, len(fetcher._client._session.connector._acquired))  # type: ignore[union-attr]
                async for _ in fetched.chunks:
                    next(running)

        await asyncio.gather(*(one(number) for number in range(20)))
    assert next(running) == 21
    assert most <= 2
    assert origin.connections <= 2


@pytest.mark.gen_test
async def test_issuers_take_turns_at_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.plugins.fetchers.http.fetcher, "POST_PATIENCE", 30.0)
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher(connections=1) as fetcher:
        served = []

        async def one(issuer: str, kind: str) -> None:
            with on_behalf_of(issuer):
                if kind == "fetch":
                    await fetch(fetcher, origin.url("/a"))
                else:
                    await fetcher.post(origin.url("/a"), {}, b"", timeout=20)
            served.append(issuer)

        async with fetcher.open(Source(origin.url("/a"))) as fetched:
            asked = [("hog", "fetch")] * 5 + [("hog", "post")] * 5 + [("guest", "fetch"), ("other", "post")]
            tasks = []
            for issuer, kind in asked:
                tasks.append(asyncio.create_task(one(issuer, kind)))
                await asyncio.sleep(0)
            assert [chunk async for chunk in fetched.chunks] == [b"image"]
        await asyncio.gather(*tasks)
        assert served[:3] == ["hog", "guest", "other"]


@pytest.mark.gen_test
async def test_waiting_for_a_turn_is_not_held_against_the_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Origin({"/a": answer(b"image")}) as origin:
        async with http_fetcher(connections=1, dns_timeout=5, connect_timeout=5) as fetcher:
            async with fetcher.open(Source(origin.url("/a"))) as fetched:
                waiting = asyncio.create_task(fetch(fetcher, origin.url("/a")))
                await rounds()  # it has come to its wait
                put_forward(monkeypatch, 10)
                await rounds()
                assert len(origin.requests) == 1
                assert [chunk async for chunk in fetched.chunks] == [b"image"]
            assert await waiting == b"image"


@pytest.mark.gen_test(timeout=20)
async def test_a_large_body_passes_in_small_pieces_and_little_memory() -> None:
    size = 24 * 1024 * 1024
    piece = bytes(256 * 1024)
    behaviour = raw(head(headers={"Content-Length": str(size)}), *[piece] * (size // len(piece)))
    async with Origin({"/a": behaviour}) as origin, http_fetcher() as fetcher:
        longest = total = 0
        tracemalloc.start()
        try:
            async with fetcher.open(Source(origin.url("/a"))) as fetched:
                async for chunk in fetched.chunks:
                    total += len(chunk)
                    longest = max(longest, len(chunk))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert total == size
    assert longest <= 1024 * 1024
    assert peak < 4 * 1024 * 1024  # the origin's own buffers are in it


@pytest.mark.gen_test
async def test_a_thousand_small_files_share_few_connections() -> None:
    gate = asyncio.Semaphore(32)
    async with Origin({"/a": answer(b"image" * 1000)}) as origin, http_fetcher() as fetcher:

        async def one() -> bytes:
            async with gate:
                return await fetch(fetcher, origin.url("/a"))

        bodies = await asyncio.gather(*(one() for _ in range(1000)))
    assert set(bodies) == {b"image" * 1000}
    assert len(origin.requests) == 1000
    assert origin.connections <= 32


@pytest.mark.gen_test
async def test_leaving_early_closes_the_connection() -> None:
    async with Origin({"/a": repeat(head(), b"x" * 1000), "/b": answer(b"image")}) as origin, http_fetcher() as fetcher:
        async with fetcher.open(Source(origin.url("/a"))) as fetched:
            assert await anext(fetched.chunks)
        await fetch(fetcher, origin.url("/b"))
    assert origin.connections == 2


@pytest.mark.gen_test
async def test_a_name_may_lead_to_the_origin() -> None:
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher(lookup=lambda _: ("127.0.0.1",)) as fetcher:
        assert await fetch(fetcher, origin.url("/a", name="images.example.")) == b"image"
    assert origin.requests[0].headers["host"] == f"images.example:{origin.port}"


@pytest.mark.gen_test
async def test_the_environments_proxies_and_credentials_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with Origin() as proxy, Origin({"/a": answer(b"image")}) as origin, http_fetcher() as fetcher:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url("/"))
        assert await fetch(fetcher, origin.url("/a")) == b"image"
    assert proxy.connections == 0
    assert "authorization" not in origin.requests[0].headers


@pytest.mark.gen_test
async def test_what_can_be_refused_without_io_is_refused_by_check_and_by_open() -> None:
    cases: list[tuple[Source, type[Exception]]] = [
        (Source("http://user@example.org/"), UrlInvalid),
        (Source("ftp://example.org/"), UrlSchemeNotAllowed),
        (Source("http://example.org:22/"), UrlPortNotAllowed),
        (Source("http://example.org:9000/"), UrlPortNotAllowed),
        (Source("http://example.org/", {"Host": "other.example"}), HeaderNotAllowed),
        (Source("http://example.org/" + "a" * 100), UrlInvalid),
    ]

    def look_up(_: str) -> tuple[str, ...]:
        raise AssertionError("nothing may be looked up")

    async with http_fetcher(lookup=look_up, ports="80, 443, 8000-8999", url_max_bytes=100) as fetcher:
        for source, error in cases:
            with pytest.raises(error):
                fetcher.check(source)
            with pytest.raises(error):
                await fetch(fetcher, source.url, source.headers)
        fetcher.check(Source("https://example.org:8443/"))


@pytest.mark.gen_test
async def test_an_origin_that_talks_unasked_on_an_idle_connection_poisons_nothing() -> None:
    go_on = asyncio.Event()

    async def talk(exchange: Exchange) -> bool:
        await answer(b"image")(exchange)
        await go_on.wait()
        return await answer(b"stale")(exchange)

    async with Origin({"/a": talk, "/b": answer(b"fresh")}) as origin, http_fetcher() as fetcher:
        assert await fetch(fetcher, origin.url("/a")) == b"image"
        (idle,) = idle_connections(fetcher)
        go_on.set()
        while idle.is_connected():
            await asyncio.sleep(0.01)
        assert await fetch(fetcher, origin.url("/b")) == b"fresh"
    assert origin.connections == 2


def idle_connections(fetcher: HttpFetcher) -> list[Any]:
    """What aiohttp keeps in its pool."""
    connector = fetcher._client._session.connector
    assert connector is not None
    return [protocol for pooled in connector._conns.values() for protocol, _ in pooled]


WHOLE = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/3\r\n"


@pytest.mark.parametrize(
    "message",
    [
        WHOLE + b"Content-Length: 3\r\n\r\nabc",
        WHOLE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        WHOLE.replace(b"bytes ", b"Bytes  ") + b"\r\nabc",
    ],
)
@pytest.mark.gen_test
async def test_a_part_that_is_the_whole_file_is_taken(message: bytes) -> None:
    async with Origin({"/a": raw(message)}) as origin, http_fetcher() as fetcher:
        assert await fetch(fetcher, origin.url("/a")) == b"abc"
