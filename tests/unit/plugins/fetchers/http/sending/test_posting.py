"""POST requests go where fetches may go, and nowhere else."""

import asyncio
from typing import Any

import pytest

from lading.plugins.capabilities import PostAnswer
from lading.plugins.errors import (
    AddressNotAllowed,
    ConnectFailed,
    ConnectionLost,
    FetchError,
    FetchTimeout,
    HeaderNotAllowed,
    HostNotAllowed,
    OriginProtocolError,
    UrlInvalid,
    UrlPortNotAllowed,
    UrlSchemeNotAllowed,
)
from lading.plugins.testing.leaks import no_leaks
from lading.plugins.testing.origin import Exchange, Origin, answer, head, raw, redirect, repeat, reset, stall
from tests.unit.plugins.fetchers.support import SECRET, everything_logged, http_fetcher

HEADERS = {"Content-Type": "application/json", "webhook-id": "evt_1"}
BODY = b'{"type":"ping"}'


@pytest.mark.gen_test
async def test_a_request_is_sent_as_it_is_and_its_connection_kept() -> None:
    async with no_leaks(), Origin({"/a": answer(b"thanks", 202)}) as origin, http_fetcher() as fetcher:
        for _ in range(3):
            assert await fetcher.post(origin.url("/a?b=c"), HEADERS, BODY, timeout=5) == PostAnswer(202)
        request = origin.requests[0]
        assert (request.method, request.target, request.body) == ("POST", "/a?b=c", BODY)
        assert request.headers["webhook-id"] == "evt_1"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"] == "Lading"
        assert request.headers["accept"] == "*/*"
        assert origin.connections == 1


@pytest.mark.gen_test
async def test_every_status_is_an_answer_and_no_redirect_is_followed() -> None:
    async with Origin({"/secret": answer(b"image")}) as elsewhere, Origin() as origin, http_fetcher() as fetcher:
        for status in (200, 204, 301, 302, 303, 307, 308, 400, 404, 410, 429, 500, 503):
            origin.routes["/a"] = redirect(elsewhere.url("/secret"), status)
            assert (await fetcher.post(origin.url("/a"), HEADERS, BODY, timeout=5)).status == status
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("sent", "seconds"), [("7", 7.0), ("0", 0.0), ("999999", 3600.0), ("soon", None), (None, None)]
)
@pytest.mark.gen_test
async def test_it_is_told_for_how_long_to_wait(sent: str | None, seconds: float | None) -> None:
    busy = answer(b"", 503, {} if sent is None else {"Retry-After": sent})
    async with Origin({"/a": busy}) as origin, http_fetcher() as fetcher:
        answered = await fetcher.post(origin.url("/a"), HEADERS, BODY, timeout=5)
        assert answered == PostAnswer(503, seconds)


@pytest.mark.gen_test
async def test_the_body_of_an_answer_is_left_alone() -> None:
    async with no_leaks(), Origin({"/a": repeat(head(), b"x" * 65536)}) as origin, http_fetcher() as fetcher:
        assert (await fetcher.post(origin.url("/a"), HEADERS, BODY, timeout=5)).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "rebinding.example"])
@pytest.mark.gen_test
async def test_a_denied_address_never_sees_a_connection(host: str) -> None:
    async with Origin({"/a": answer(b"")}) as origin:
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",), allow_networks="") as fetcher:
            with pytest.raises(AddressNotAllowed) as caught:
                await fetcher.post(origin.url(f"/a?token={SECRET}", name=host), HEADERS, BODY, timeout=5)
            assert SECRET not in everything_logged(caught.value)
        assert origin.connections == 0


@pytest.mark.gen_test
async def test_a_name_is_judged_by_the_address_that_is_connected_to() -> None:
    asked: list[str] = []

    def rebinding(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) == 1 else ("127.0.0.2",)

    async with Origin({"/a": raw(head(204))}) as origin:
        async with http_fetcher(lookup=rebinding, allow_networks="127.0.0.1/32") as fetcher:
            url = origin.url("/a", name="hooks.example")
            assert (await fetcher.post(url, HEADERS, BODY, timeout=5)).status == 204
            with pytest.raises(AddressNotAllowed):
                await fetcher.post(url, HEADERS, BODY, timeout=5)
        assert origin.connections == 1
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("url", "options", "error"),
    [
        ("ftp://127.0.0.1/a", {}, UrlSchemeNotAllowed),
        ("http://a b/", {}, UrlInvalid),
        ("http://127.0.0.1:22/a", {"ports": "443"}, UrlPortNotAllowed),
        ("http://evil.example/a", {"deny_hosts": "evil.example"}, HostNotAllowed),
    ],
)
@pytest.mark.gen_test
async def test_what_is_refused_for_fetches_is_refused(
    url: str, options: dict[str, Any], error: type[FetchError]
) -> None:
    async with http_fetcher(**options) as fetcher:
        with pytest.raises(error):
            await fetcher.post(url, HEADERS, BODY, timeout=5)


@pytest.mark.gen_test
async def test_headers_cannot_smuggle() -> None:
    async with Origin({"/a": answer(b"")}) as origin, http_fetcher() as fetcher:
        for headers in ({"Host": "other"}, {"Content-Length": "1"}, {"X-A": "1\r\nX-B: 2"}):
            with pytest.raises(HeaderNotAllowed):
                await fetcher.post(origin.url("/a"), headers, BODY, timeout=5)
        assert origin.connections == 0


@pytest.mark.gen_test
async def test_failures_are_the_errors_of_a_fetch() -> None:
    async with no_leaks(), Origin({"/gone": reset(), "/odd": raw(b"nonsense\r\n\r\n")}) as origin:
        down = origin.url("/a")
        async with http_fetcher() as fetcher:
            with pytest.raises(ConnectionLost):
                await fetcher.post(origin.url("/gone"), HEADERS, BODY, timeout=5)
            assert len(origin.requests) == 2  # it was tried once more
            with pytest.raises(OriginProtocolError):
                await fetcher.post(origin.url("/odd"), HEADERS, BODY, timeout=5)
    async with http_fetcher() as fetcher:
        with pytest.raises(ConnectFailed):
            await fetcher.post(down, HEADERS, BODY, timeout=5)


@pytest.mark.gen_test
async def test_a_receiver_that_hangs_is_left_in_time() -> None:
    async with no_leaks(), Origin({"/a": stall(), "/b": stall(b"HTTP/1.1 200")}) as origin, http_fetcher() as fetcher:
        for path in ("/a", "/b"):
            with pytest.raises(FetchTimeout):
                await fetcher.post(origin.url(path), HEADERS, BODY, timeout=0.1)


@pytest.mark.gen_test
async def test_a_kept_connection_that_has_died_costs_nothing() -> None:
    async def last(exchange: Exchange) -> bool:
        await exchange.send(head(200, {"Content-Length": "0"}))
        return False

    async with Origin({"/a": last}) as origin, http_fetcher() as fetcher:
        for _ in range(5):
            assert (await fetcher.post(origin.url("/a"), HEADERS, BODY, timeout=5)).status == 200
        assert len(origin.requests) == 5


@pytest.mark.gen_test
async def test_closing_ends_what_is_under_way() -> None:
    async with no_leaks(), Origin({"/a": stall()}) as origin, http_fetcher() as fetcher:
        task = asyncio.create_task(fetcher.post(origin.url("/a"), HEADERS, BODY, timeout=30))
        while not origin.requests:
            await asyncio.sleep(0.01)
        await fetcher.close()
        with pytest.raises(ConnectionLost, match="closed"):
            await task
        with pytest.raises(ConnectionLost, match="closed"):
            await fetcher.post(origin.url("/a"), HEADERS, BODY, timeout=30)
