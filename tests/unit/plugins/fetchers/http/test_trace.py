"""What a fetch spends its time on, phase by phase."""

import pytest

from lading.plugins.contracts import Source
from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.plugins.host.record import MAX_ENTRIES, Trace, enter, redirected, tracing
from lading.plugins.testing.origin import Origin, answer
from tests.unit.plugins.fetchers.support import http_fetcher


async def names(url: str, fetcher: HttpFetcher) -> list[str]:
    with tracing() as trace:
        async with fetcher.open(Source(url)) as fetched:
            enter("body")
            async for _ in fetched.chunks:
                pass
    return [phase.name for phase in trace.phases]


@pytest.mark.gen_test
async def test_a_kept_connection_needs_neither_name_nor_connection() -> None:
    async with Origin({"/a": answer(b"x" * 10)}) as origin:
        async with http_fetcher() as fetcher:
            url = origin.url("/a", name="localhost")
            assert await names(url, fetcher) == ["send", "dns", "connect", "send", "head", "body"]
            assert await names(url, fetcher) == ["send", "head", "body"]


def test_nobody_has_to_look() -> None:
    enter("dns")
    redirected("http://origin.example/")


def test_a_phase_that_is_entered_again_goes_on() -> None:
    with tracing() as trace:
        for name in ("dns", "dns", "connect", "connect", "dns"):
            enter(name)
    assert [phase.name for phase in trace.phases] == ["dns", "connect", "dns"]


def test_traces_are_bounded_and_nest() -> None:
    with tracing() as outer:
        enter("outside")
        with tracing() as inner:
            for number in range(2 * MAX_ENTRIES):
                enter(f"phase {number}")
                redirected("http://origin.example/")
        enter("again")
    assert (len(inner.phases), len(inner.redirects)) == (MAX_ENTRIES, MAX_ENTRIES)
    assert [phase.name for phase in outer.phases] == ["outside", "again"]
    assert inner.phases[1].hop == 2
    assert Trace().phases == []
