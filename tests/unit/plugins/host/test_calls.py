"""Calls to plugins: whose errors pass, how many run at once, and what is deaf to cancellation."""

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

import lading.plugins.host.calls
from lading.plugins.errors import (
    ConnectionLost,
    DeadlineExceeded,
    FetchError,
    NotAnImage,
    PluginBlocked,
    PluginError,
    PluginFault,
    StorageUnavailable,
    UrlInvalid,
)
from lading.plugins.host.calls import Caller
from lading.plugins.host.record import PluginCall
from lading.plugins.host.stamping import malformed
from tests.support.plugins.misbehaviour import hang, raising
from tests.support.plugins.plugin_errors import sample, tree
from tests.support.plugins.scripted import until

SOON = 0.02
BEGUN = 1.0
"""Seconds until a deadline that must not pass before the call has begun, however busy the machine is."""


def caller(**options: Any) -> Caller:
    return Caller("fetch", "acme", FetchError, **{"concurrency": 8, **options})


async def failure(begin: Callable[[], Awaitable[object]], seconds: float = 30, **options: Any) -> Exception:
    with pytest.raises(PluginError) as caught:
        await caller(**options).call("open", begin, seconds)
    return caught.value


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("cls", list(tree(FetchError)), ids=lambda cls: cls.__name__)
async def test_an_error_of_its_kind_passes(cls: type[PluginError]) -> None:
    error = sample(cls)
    assert await failure(raising(error)) is error
    assert error.plugin == "acme"


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [StorageUnavailable(), NotAnImage(), PluginError()])
async def test_an_error_of_another_kind_is_a_fault(error: PluginError) -> None:
    """A fetcher's StorageUnavailable would be taken for an outage of storage, and stop the whole worker."""
    fault = await failure(raising(error))
    assert type(fault) is PluginFault
    assert fault.__cause__ is error
    assert "which is no FetchError" in fault.internal


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [DeadlineExceeded(), PluginBlocked(), PluginFault("mine")])
async def test_errors_of_any_kind_pass(error: PluginError) -> None:
    assert await failure(raising(error)) is error


class OddCode(FetchError):
    code = "Not A Code"


class NoCode(FetchError):
    code = None  # type: ignore[assignment]


class OddRetryable(FetchError):
    retryable = "yes"  # type: ignore[assignment]


class Speechless(FetchError):
    public_text = "  "


class Unprintable(FetchError):
    public_text = "two\nlines"


class Unformattable(FetchError):
    public_text = "a fact without a name: {0}"


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "error",
    [
        OddCode(),
        NoCode(),
        OddRetryable(),
        Speechless(),
        Unprintable(),
        Unformattable(),
        ConnectionLost(7),  # type: ignore[arg-type]
        ConnectionLost(retry_after=-1),
        ConnectionLost(retry_after=float("nan")),
        ConnectionLost(retry_after=float("inf")),
        ConnectionLost(retry_after="soon"),  # type: ignore[arg-type]
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_that_cannot_be_shown_or_acted_upon_is_a_fault(error: PluginError) -> None:
    assert malformed(error)
    fault = await failure(raising(error))
    assert type(fault) is PluginFault
    assert type(error).__name__ in fault.internal


def test_a_call_without_a_wait_is_judged_alike() -> None:
    def refuse() -> None:
        raise UrlInvalid(reason="x")

    def break_down() -> None:
        raise ValueError("secret")

    with pytest.raises(UrlInvalid) as caught:
        caller().call_now("check", refuse)
    assert caught.value.plugin == "acme"
    with pytest.raises(PluginFault) as fault:
        caller().call_now("check", break_down)
    assert "secret" not in str(fault.value)
    assert caller().call_now("check", lambda: 7) == 7


# --- how many at once -------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_turns_are_taken() -> None:
    running = peak = 0

    async def work() -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1

    async def hold(one: Caller) -> None:
        give_back = await one.take_turn("hold", 30)
        await work()
        give_back()

    one = caller(concurrency=3)
    await asyncio.gather(
        *(one.call("open", work, 30, in_turn=True) for _ in range(20)), *(hold(one) for _ in range(20))
    )
    assert peak == 3


@pytest.mark.gen_test
async def test_the_wait_for_a_turn_has_a_deadline_and_gives_it_back() -> None:
    one = caller(concurrency=1)
    give_back = await one.take_turn("hold", 30)
    with pytest.raises(DeadlineExceeded, match="hold did not end"):
        await one.take_turn("hold", SOON)
    give_back()
    (await one.take_turn("hold", 30))()


# --- who is told ------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_every_call_is_observed() -> None:
    calls: list[PluginCall] = []
    one = caller(observer=calls.append)
    assert await one.call("open", lambda: asyncio.sleep(0, 7), 30) == 7
    for error in (ConnectionLost(), ValueError()):
        with pytest.raises(PluginError):
            await one.call("open", raising(error), 30)
    own = OSError("the caller's own")
    with pytest.raises(OSError, match="own"):
        await one.call("save", raising(own), 30, unchanged=lambda found: found is own)
    one.call_now("check", lambda: None)
    task = asyncio.create_task(one.call("read", hang, 30))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert [(call.operation, call.outcome) for call in calls] == [
        ("open", "ok"),
        ("open", "connection_lost"),
        ("open", "plugin_fault"),
        ("save", "source_failed"),
        ("check", "ok"),
        ("read", "cancelled"),
    ]
    assert {(call.kind, call.plugin) for call in calls} == {("fetch", "acme")}


# --- what is deaf to cancellation -------------------------------------------------------------------------------------


async def deaf_for(seconds: float, done: list[str]) -> None:
    """Swallows whatever it is told until its time is up."""
    end = asyncio.get_running_loop().time() + seconds
    while (rest := end - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.sleep(rest)
        except asyncio.CancelledError:
            done.append("told")
    done.append("done")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.plugins.host.calls, "PATIENCE_SECONDS", 0.1)


@pytest.mark.gen_test
async def test_a_plugin_that_never_returns_and_is_deaf_is_left_at_its_deadline() -> None:
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains that it was left, which is true
        assert type(await failure(lambda: deaf_for(3600, told), BEGUN)) is DeadlineExceeded
        gc.collect()
    assert told[0] == "told"
    assert "done" not in told
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.gen_test
async def test_a_plugin_that_is_slow_to_release_gets_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.plugins.host.calls, "PATIENCE_SECONDS", 30)
    told: list[str] = []

    async def slow() -> None:
        try:
            await hang()
        finally:
            await asyncio.sleep(0.03)
            told.append("released")

    assert type(await failure(slow, BEGUN)) is DeadlineExceeded
    assert told == ["released"]


@pytest.mark.gen_test
async def test_the_caller_s_cancellation_is_not_waited_for_either() -> None:
    told: list[str] = []
    task = asyncio.create_task(caller().call("open", lambda: deaf_for(3600, told), 3600))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert told[0] == "told"


@pytest.mark.gen_test
async def test_a_plugin_that_swallows_its_deadline_and_ends_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.plugins.host.calls, "PATIENCE_SECONDS", 30)
    told: list[str] = []

    async def deaf_once() -> None:
        with suppress(asyncio.CancelledError):
            await hang()
        told.append("told")
        await asyncio.sleep(0.01)
        told.append("done")

    await caller().call("close", deaf_once, BEGUN)
    assert told == ["told", "done"]


@pytest.mark.gen_test
async def test_a_plugin_s_own_timeout_is_no_request_to_end_the_call() -> None:
    async def retry() -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await hang()
        child = asyncio.create_task(hang())
        await asyncio.sleep(0)
        child.cancel()
        with suppress(asyncio.CancelledError):
            await child
        await asyncio.sleep(0.3)  # thrice the patience
        return "the second try"

    assert await caller().call("open", retry, 30) == "the second try"


@pytest.mark.gen_test
async def test_a_deaf_plugin_with_a_timeout_of_its_own_is_left_all_the_same() -> None:
    told: list[str] = []

    async def retry() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await hang()
        await deaf_for(3600, told)

    assert type(await failure(retry, BEGUN)) is DeadlineExceeded
    assert told[0] == "told"


@pytest.mark.gen_test
async def test_a_turn_that_was_left_is_free_again() -> None:
    one = caller(concurrency=1)
    told: list[str] = []
    with pytest.raises(DeadlineExceeded):
        await one.call("open", lambda: deaf_for(3600, told), SOON, in_turn=True)
    await one.call("open", lambda: asyncio.sleep(0), 30, in_turn=True)
    await until(lambda: "told" in told)
