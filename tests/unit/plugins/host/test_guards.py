"""The guard around fetchers that break their contract."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lading.plugins.capabilities import Finding, SupportsExplaining
from lading.plugins.contracts import Source
from lading.plugins.errors import BodyTruncated, ConnectionLost, PluginError, PluginFault, UrlInvalid
from lading.plugins.host.guards import GuardedFetcher
from lading.plugins.testing.cancellation import CancelAt
from lading.plugins.testing.leaks import no_leaks
from tests.support.plugins.misbehaviour import (
    PLACES,
    PLENTY,
    SOURCE,
    Shop,
    at_release,
    failure,
    hang,
    hanging,
    midway,
    read,
)
from tests.support.plugins.scripted import ScriptedFetcher, pieces

# --- fetchers: what passes --------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_good_fetcher_is_not_noticed() -> None:
    shop = Shop()
    shop.fetcher.chunks = lambda _source: pieces(b"a", b"bc", b"")
    async with no_leaks():
        async with shop.guarded.open(SOURCE) as fetched:
            assert fetched.filename == "origin.png"
            assert [chunk async for chunk in fetched.chunks] == [b"a", b"bc", b""]
    assert shop.balanced
    assert (shop.guarded.kind, shop.guarded.schemes) == ("scripted", frozenset({"test"}))
    shop.guarded.check(SOURCE)
    await shop.guarded.close()
    assert shop.fetcher.closed == 1


@pytest.mark.gen_test
async def test_a_stream_may_be_left_before_its_end() -> None:
    shop = Shop()
    shop.fetcher.chunks = lambda _source: hanging(b"first")
    async with no_leaks():
        async with shop.guarded.open(SOURCE) as fetched:
            assert await anext(fetched.chunks) == b"first"
    assert shop.balanced


# --- fetchers: errors -------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("place", PLACES)
async def test_an_error_of_the_tree_passes_with_the_plugin_s_name_on_it(place: Callable[..., None]) -> None:
    shop = Shop()
    error = BodyTruncated("inside", retry_after=7)
    place(shop, error)
    assert await failure(shop.guarded) is error
    assert error.plugin == "scripted"
    assert "[scripted]" in str(error)
    assert shop.balanced


@pytest.mark.gen_test
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "error", [ValueError("secret=1"), OSError(5, "secret=1"), TimeoutError("secret=1"), KeyError("secret=1")]
)
async def test_a_foreign_error_becomes_a_fault_of_the_plugin_with_its_cause(
    place: Callable[..., None], error: Exception
) -> None:
    shop = Shop()
    place(shop, error)
    fault = await failure(shop.guarded)
    assert type(fault) is PluginFault
    assert fault.__cause__ is error
    assert fault.plugin == "scripted"
    assert type(error).__name__ in fault.internal
    assert "secret" not in str(fault), "what a foreign error says is not for a line of the log"
    assert shop.balanced


@pytest.mark.gen_test
async def test_an_error_without_its_facts_stays_what_it_is() -> None:
    class Own(UrlInvalid):
        code = "own"
        public_text = "The url is wrong: {reason}."

    shop = Shop()

    async def fail(_source: Source) -> None:
        raise Own("the reason is missing")

    shop.fetcher.on_open = fail
    error = await failure(shop.guarded)
    assert (type(error), error.code, error.detail) == (Own, "own", UrlInvalid.plain_text)


@pytest.mark.gen_test
@pytest.mark.parametrize("text", ["Broken {", "Broken {0}", "Broken {reason.no}"])
async def test_an_error_whose_text_cannot_be_formatted_is_a_fault_of_the_plugin(text: str) -> None:
    class Own(UrlInvalid):
        public_text = text

    shop = Shop()

    async def fail(_source: Source) -> None:
        raise Own(reason="x")

    shop.fetcher.on_open = fail
    fault = await failure(shop.guarded)
    assert type(fault) is PluginFault
    assert "its public_text cannot be formatted" in fault.internal


@pytest.mark.parametrize("error", [ValueError("bad"), UrlInvalid(reason="x")])
def test_check_raises_nothing_outside_the_tree(error: Exception) -> None:
    class Picky(ScriptedFetcher):
        def check(self, source: Source) -> None:
            raise error

    with pytest.raises(PluginError) as caught:
        GuardedFetcher(Picky(), "picky", PLENTY).check(SOURCE)
    assert caught.value.plugin == "picky"
    if isinstance(error, PluginError):
        assert caught.value is error
    else:
        assert (type(caught.value), caught.value.__cause__) == (PluginFault, error)


@pytest.mark.parametrize("means", [None, 7, "text", [("proxy",)], [("a", "b", "c")], [7]])
def test_means_that_are_no_pairs_are_a_fault(means: Any) -> None:
    class Odd(ScriptedFetcher, SupportsExplaining):
        def explain(self, source: Source, *, follow: bool) -> AsyncIterator[Finding]:
            raise NotImplementedError

        def means(self, source: Source) -> tuple[tuple[str, str], ...]:
            return means  # type: ignore[no-any-return]

    explainer = GuardedFetcher(Odd(), "odd", PLENTY).explainer
    assert explainer is not None
    with pytest.raises(PluginFault) as caught:
        explainer.means(SOURCE)
    assert caught.value.plugin == "odd"


@pytest.mark.gen_test
@pytest.mark.parametrize("chunk", [None, "text", 7, bytearray(b"x")])
async def test_a_piece_that_is_no_bytes_is_a_fault_and_not_the_end(chunk: object) -> None:
    """``None`` above all: taken for the end, half an image would be stored as a whole one."""
    shop = Shop()

    async def chunks() -> AsyncIterator[Any]:
        yield b"half"
        yield chunk
        yield b"the other half"

    shop.fetcher.chunks = lambda _source: chunks()
    assert type(await failure(shop.guarded)) is PluginFault
    assert shop.balanced


@pytest.mark.gen_test
@pytest.mark.parametrize("opened", [None, b"bytes", {"chunks": ()}])
async def test_what_is_no_opened_source_is_a_fault_and_is_released(opened: object) -> None:
    released = []

    class Odd(ScriptedFetcher):
        @asynccontextmanager
        async def open(self, source: Source) -> AsyncIterator[Any]:
            try:
                yield opened
            finally:
                released.append(source)

    fault = await failure(GuardedFetcher(Odd(), "odd", PLENTY))
    assert type(fault) is PluginFault
    assert fault.plugin == "odd"
    assert released == [SOURCE]


@pytest.mark.gen_test
async def test_an_open_that_gives_no_context_is_a_fault() -> None:
    class Odd(ScriptedFetcher):
        def open(self, source: Source) -> Any:
            return None

    assert type(await failure(GuardedFetcher(Odd(), "odd", PLENTY))) is PluginFault


# --- fetchers: nothing is masked --------------------------------------------------------------------------------------


class CallersOwn(Exception):
    pass


@pytest.mark.gen_test
@pytest.mark.parametrize("at_the_end", [None, ValueError("release"), ConnectionLost()])
async def test_the_reader_s_own_error_passes_untouched(at_the_end: Exception | None) -> None:
    shop = Shop()
    if at_the_end is not None:
        at_release(shop, at_the_end)
    error = CallersOwn()
    with pytest.raises(CallersOwn) as caught:
        async with shop.guarded.open(SOURCE):
            raise error
    assert caught.value is error
    assert shop.balanced


@pytest.mark.gen_test
@pytest.mark.parametrize("at_the_end", [ValueError("release"), ConnectionLost()])
async def test_a_broken_stream_matters_more_than_a_broken_release(at_the_end: Exception) -> None:
    shop = Shop()
    error = BodyTruncated()
    midway(shop, error)
    at_release(shop, at_the_end)
    assert await failure(shop.guarded) is error


@pytest.mark.gen_test
@pytest.mark.parametrize("place", ["open", "read", "body"])
@pytest.mark.parametrize("at_the_end", [None, ValueError("release"), ConnectionLost()])
async def test_the_caller_s_cancellation_passes_and_the_source_is_released(
    place: str, at_the_end: Exception | None
) -> None:
    shop = Shop()
    if place == "open":
        shop.fetcher.on_open = hang
    if place == "read":
        shop.fetcher.chunks = lambda _source: hanging(b"some")
    if at_the_end is not None:
        at_release(shop, at_the_end)
    reached = asyncio.Event()

    async def use() -> None:
        if place == "body":
            async with shop.guarded.open(SOURCE):
                reached.set()
                await hang()
        await read(shop.guarded)

    async with no_leaks():
        task = asyncio.create_task(use())
        while not (reached.is_set() if place == "body" else shop.fetcher.opened):
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
    assert task.cancelled()
    assert shop.balanced


@pytest.mark.gen_test
async def test_a_plugin_that_turns_cancellation_into_an_error_does_not_undo_it() -> None:
    """At a shutdown the attempt would otherwise count as failed."""
    shop = Shop()

    async def convert() -> AsyncIterator[bytes]:
        yield b"some"
        try:
            await hang()
        except asyncio.CancelledError:
            raise ConnectionLost from None

    shop.fetcher.chunks = lambda _source: convert()
    task = asyncio.create_task(read(shop.guarded))
    while not shop.fetcher.opened:
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert shop.balanced


@pytest.mark.gen_test
async def test_a_cancellation_at_any_point_releases_the_source() -> None:
    for nth in range(1, 50):
        shop = Shop()
        shop.fetcher.on_open = shop.fetcher.on_release = _yield_twice
        shop.fetcher.chunks = lambda _source: pieces(b"a", b"b")
        async with no_leaks():
            cancelled = CancelAt(read(shop.guarded), nth)
            task = await cancelled.run()
        assert shop.fetcher.now[""] == 0, nth
        assert task.cancelled() == cancelled.reached
        if not cancelled.reached:
            break
    assert nth > 5


async def _yield_twice(*_: object) -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
