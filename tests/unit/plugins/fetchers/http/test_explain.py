"""What the ``http`` fetcher tells of its verdicts: every part of a URL, every address, every hop, and no secret."""

from collections.abc import Sequence

import pytest

from lading.plugins.capabilities import Finding
from lading.plugins.contracts import Source
from lading.plugins.errors import (
    AddressNotAllowed,
    BodyEmpty,
    BodyTooLarge,
    ContentEncodingNotAllowed,
    FetchError,
    HeaderNotAllowed,
    HostNotFound,
    OriginNotFound,
    OriginProtocolError,
    RedirectNotAllowed,
    TooManyRedirects,
    UrlInvalid,
)
from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.plugins.testing.origin import Behaviour, Origin, answer, redirect, repeat
from tests.unit.plugins.fetchers.support import SECRET, everything_logged, fetch, http_fetcher


async def explained(
    fetcher: HttpFetcher, url: str, *, follow: bool = False, headers: dict[str, str] | None = None
) -> tuple[list[Finding], FetchError | None]:
    """All findings, and the error behind them."""
    found: list[Finding] = []
    refusal: FetchError | None = None
    try:
        async for finding in fetcher.explain(Source(url, headers or {}), follow=follow):
            found.append(finding)  # noqa: PERF401 - what came before the error is wanted
    except FetchError as error:
        refusal = error
    assert SECRET not in str(found)
    assert refusal is None or SECRET not in everything_logged(refusal)
    return found, refusal


def judged(findings: Sequence[Finding]) -> list[tuple[int, str, bool]]:
    return [(finding.hop, finding.subject, finding.allowed) for finding in findings]


@pytest.mark.gen_test
async def test_every_address_of_a_host_is_told_and_one_denied_refuses_it() -> None:
    addresses = ("1.1.1.1", "10.0.0.1", "2606:4700::1111", "fe80::1%lo", "64:ff9b::7f00:1")
    async with http_fetcher(lookup=lambda _: addresses, allow_networks="") as fetcher:
        found, error = await explained(fetcher, f"http://images.example/a?token={SECRET}")
    assert type(error) is AddressNotAllowed
    assert judged(found) == [
        (1, "port 80", True),
        (1, "host images.example", True),
        (1, "address 1.1.1.1", True),
        (1, "address 10.0.0.1", False),
        (1, "address 2606:4700::1111", True),
        (1, "address fe80::1%lo", False),
        (1, "address 64:ff9b::7f00:1", False),
    ]
    assert found[-1].rule == "carries 127.0.0.1: loopback (RFC 1122)"
    assert {finding.url for finding in found} == {"http://images.example/a"}


@pytest.mark.gen_test
async def test_nothing_is_connected_to_unless_it_is_asked_for() -> None:
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher() as fetcher:
        found, error = await explained(fetcher, origin.url("/a"))
        assert error is None
        assert all(finding.allowed for finding in found)
        assert origin.connections == 0
        found, error = await explained(fetcher, origin.url("/a"), follow=True)
        assert (found[-1].subject, found[-1].rule, error) == ("answer", "status 200", None)
        assert len(origin.requests) == 1


@pytest.mark.gen_test
async def test_no_body_is_read_and_no_connection_stays() -> None:
    async with Origin({"/a": repeat(b"HTTP/1.1 200 OK\r\n\r\n", bytes(1000))}) as origin, http_fetcher() as fetcher:
        for _ in range(3):
            assert (await explained(fetcher, origin.url("/a"), follow=True))[1] is None
        assert origin.connections == 3


@pytest.mark.gen_test
async def test_a_closed_explanation_closes_its_connection() -> None:
    async with Origin({"/a": answer(b"image")}) as origin, http_fetcher() as fetcher:
        async for finding in fetcher.explain(Source(origin.url("/a")), follow=True):
            if finding.subject == "answer":
                break
        assert await fetch(fetcher, origin.url("/a")) == b"image"


@pytest.mark.gen_test
async def test_headers_are_dropped_where_a_fetch_drops_them() -> None:
    async with Origin({"/c": answer(b"image")}) as other, Origin() as origin, http_fetcher() as fetcher:
        origin.routes = {"/a": redirect("/b"), "/b": redirect(other.url(f"/c?{SECRET}"))}
        found, error = await explained(fetcher, origin.url("/a"), follow=True, headers={"X-Key": SECRET})
        assert error is None
        assert [finding.hop for finding in found if finding.subject == "answer"] == [1, 2, 3]
        assert ["x-key" in request.headers for request in (*origin.requests, *other.requests)] == [True, True, False]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://10.0.0.1/", AddressNotAllowed),
        ("http://127.1.1.1.1/", RedirectNotAllowed),
        ("http://0xa.1/", AddressNotAllowed),
        ("gopher://127.0.0.1/", RedirectNotAllowed),
        (f"http://{SECRET}@127.0.0.1/", RedirectNotAllowed),
        ("/a", TooManyRedirects),
        ("http://nowhere.example/", HostNotFound),
    ],
)
@pytest.mark.gen_test
async def test_an_explanation_ends_as_a_fetch_does(location: str, expected: type[FetchError]) -> None:
    def look_up(_: str) -> tuple[str, ...]:
        return ()

    async with Origin({"/a": redirect(location)}) as origin, http_fetcher(lookup=look_up) as fetcher:
        _, error = await explained(fetcher, origin.url("/a"), follow=True)
        with pytest.raises(FetchError) as caught:
            await fetch(fetcher, origin.url("/a"))
    assert type(error) is type(caught.value) is expected
    assert error.detail == caught.value.detail


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer(b"x", 404), OriginNotFound),
        (answer(b""), BodyEmpty),
        (answer(b"x" * 2001), BodyTooLarge),
        (answer(b"x", headers={"Content-Encoding": "br"}), ContentEncodingNotAllowed),
        (answer(b"x", 206), OriginProtocolError),
    ],
)
@pytest.mark.gen_test
async def test_what_an_answer_announces_is_judged_too(behaviour: Behaviour, expected: type[FetchError]) -> None:
    async with Origin({"/a": behaviour}) as origin, http_fetcher(max_bytes=2000) as fetcher:
        _, error = await explained(fetcher, origin.url("/a"), follow=True)
    assert isinstance(error, expected)


@pytest.mark.gen_test
async def test_what_is_no_url_or_no_header_is_refused_at_once() -> None:
    async with http_fetcher() as fetcher:
        assert type(await explained_at_once(fetcher, Source(f"http://a:{SECRET}@b/"))) is UrlInvalid
        assert type(await explained_at_once(fetcher, Source("http://b/", {"Host": SECRET}))) is HeaderNotAllowed


async def explained_at_once(fetcher: HttpFetcher, source: Source) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.explain(source, follow=True)
    return caught.value
