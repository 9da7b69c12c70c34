"""How a worker treats origin hosts, by a clock that the test moves."""

import socket
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lading.service.work.politeness
from lading.plugins.contracts import Source
from lading.plugins.errors import (
    ConnectFailed,
    DeadlineExceeded,
    DnsFailed,
    FetcherBusy,
    FetchError,
    FetchTimeout,
    OriginUnavailable,
    PluginError,
)
from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.service.models import Import
from lading.service.work.politeness import (
    FAILURES_TO_OPEN,
    FIRST_PAUSE,
    MAX_PAUSE,
    MAX_TURN,
    Politeness,
    Verdict,
    verdict_of,
)
from tests.support.clock import SettableClock
from tests.support.plugins.plugin_errors import sample, tree
from tests.support.plugins.scripted import make_import

CLOCK = SettableClock()


class Rig:
    """A politeness and its clock."""

    def __init__(self, per_host: int = 4, patience: float = 600.0) -> None:
        self.now = 5000.0
        self.politeness = Politeness(per_host, patience=patience, max_pause=300.0, now=lambda: self.now)

    def limit(self, host: str = "h") -> int:
        """How many imports of the host may fetch at once."""
        return next(running for running in range(100) if not self.politeness.allows(document(host), running))

    def end(self, verdict: Verdict, host: str = "h", seconds: float = 0.1, retry_after: float = 0.0) -> None:
        one = document(host)
        self.politeness.started(one)
        self.now += seconds
        self.politeness.learn(one, verdict, seconds, retry_after)
        self.politeness.ended(one)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def document(host: str = "h", **changes: Any) -> Import:
    return make_import(CLOCK, host=host, **changes)


# --- what an attempt tells --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, Verdict.SERVED),
        (OriginUnavailable(status=429), Verdict.TOO_MUCH),
        (OriginUnavailable(status=503), Verdict.TOO_MUCH),
        (OriginUnavailable(status=500), Verdict.REACHED),
        (ConnectFailed(), Verdict.DEAD),
        (DnsFailed(), Verdict.DEAD),
        (FetchTimeout(phase="the connection", seconds="5"), Verdict.DEAD),
        (FetchTimeout(phase="the response head", seconds="5"), Verdict.REACHED),
        (DeadlineExceeded(), Verdict.NONE),
        (FetcherBusy(), Verdict.NONE),
        (FetchError(), Verdict.SERVED),
    ],
)
def test_an_error_tells_of_the_host(error: PluginError | None, verdict: Verdict) -> None:
    assert verdict_of(error) is verdict


def test_only_failed_connections_speak_of_a_dead_host() -> None:
    dead = {cls.__name__ for cls in tree() if verdict_of(sample(cls)) is Verdict.DEAD}
    assert dead == {"ConnectFailed", "DnsFailed"}


@pytest.mark.gen_test
async def test_the_http_fetcher_s_time_out_of_a_connection_is_known_as_one() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        options = {"allow_networks": "127.0.0.0/8", "ports": "1-65535", "connect_timeout": 0.1}
        fetcher = HttpFetcher(HttpFetcher.Options.model_validate(options))
        try:
            with pytest.raises(FetchTimeout) as caught:
                async with fetcher.open(Source(f"https://127.0.0.1:{listener.getsockname()[1]}/")):
                    pass
        finally:
            await fetcher.close()
    assert verdict_of(caught.value) is Verdict.DEAD


# --- how many at once -------------------------------------------------------------------------------------------------


def test_an_overloaded_host_has_half_as_many_and_gains_one_with_each_round(rig: Rig) -> None:
    rig = Rig(per_host=8)
    assert rig.limit() == 8
    rig.end(Verdict.TOO_MUCH)
    assert rig.limit() == 4
    assert rig.limit("other") == 8
    for expected in (5, 6, 7, 8, 8):
        for _ in range(rig.limit()):
            rig.end(Verdict.SERVED)
        assert rig.limit() == expected


def test_it_never_has_fewer_than_one(rig: Rig) -> None:
    for _ in range(10):
        rig.end(Verdict.TOO_MUCH)
    assert rig.limit() == 1


def test_those_that_ran_together_halve_it_once(rig: Rig) -> None:
    together = [document() for _ in range(4)]
    rig.now += 1
    for one in together:
        rig.politeness.learn(one, Verdict.TOO_MUCH, 1.0)
    assert rig.limit() == 2
    rig.end(Verdict.TOO_MUCH)
    assert rig.limit() == 1


def test_an_import_without_a_host_is_nobody_s_concern(rig: Rig) -> None:
    one = document("")
    for _ in range(100):
        rig.politeness.learn(one, Verdict.DEAD, 0.1, 100.0)
    assert rig.politeness.allows(one, 10_000)
    assert rig.politeness.pause(one) == 0


# --- Retry-After ------------------------------------------------------------------------------------------------------


def test_the_whole_host_is_left_alone_for_as_long_as_it_asks(rig: Rig) -> None:
    rig.end(Verdict.TOO_MUCH, retry_after=30)
    assert rig.politeness.pause(document()) == 30
    assert not rig.politeness.allows(document(), 0)
    assert rig.limit("other") == 4
    rig.end(Verdict.TOO_MUCH, seconds=0, retry_after=10)
    assert rig.politeness.pause(document()) == 30, "a shorter one does not end the longer one"
    rig.now += 30
    assert rig.limit() == 1


def test_no_longer_than_is_allowed(rig: Rig) -> None:
    rig.end(Verdict.TOO_MUCH, retry_after=1e9)
    assert rig.politeness.pause(document()) == 300


# --- dead hosts -------------------------------------------------------------------------------------------------------


def dead(rig: Rig) -> None:
    for _ in range(FAILURES_TO_OPEN):
        assert rig.politeness.pause(document()) == 0
        rig.end(Verdict.DEAD)


def test_failed_connections_in_a_row_make_a_dead_host_and_one_that_succeeds_between_does_not(rig: Rig) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        rig.end(Verdict.DEAD)
    rig.end(Verdict.REACHED)
    dead(rig)
    assert rig.politeness.pause(document()) == FIRST_PAUSE
    assert rig.limit("other") == 4


def test_a_dead_host_is_tried_by_one_at_a_time_ever_more_rarely(rig: Rig) -> None:
    dead(rig)
    pauses = []
    for _ in range(8):
        pause = rig.politeness.pause(document())
        pauses.append(pause)
        rig.now += pause
        assert rig.politeness.allows(document(), 0)
        probe = document()
        rig.politeness.started(probe)
        assert not rig.politeness.allows(document(), 0), "one tries"
        assert rig.politeness.pause(document()) > 0
        rig.politeness.learn(probe, Verdict.DEAD, 5.0)
        rig.politeness.ended(probe)
    assert pauses == [5, 10, 20, 40, 80, MAX_PAUSE, MAX_PAUSE, MAX_PAUSE]


@pytest.mark.parametrize("verdict", [Verdict.SERVED, Verdict.REACHED, Verdict.TOO_MUCH])
def test_it_is_alive_again_with_the_first_answer(rig: Rig, verdict: Verdict) -> None:
    dead(rig)
    rig.now += FIRST_PAUSE
    rig.end(verdict)
    assert rig.politeness.pause(document()) == 0
    assert rig.limit() >= 2


def test_an_attempt_that_tells_nothing_lets_another_try(rig: Rig) -> None:
    dead(rig)
    rig.now += FIRST_PAUSE
    rig.end(Verdict.NONE)
    assert rig.limit() == 4


def test_what_had_begun_before_does_not_prolong_the_pause(rig: Rig) -> None:
    before = [document() for _ in range(4)]
    dead(rig)
    for one in before:
        rig.politeness.learn(one, Verdict.DEAD, 5.0)
    assert rig.politeness.pause(document()) == FIRST_PAUSE


def test_a_dead_port_says_nothing_of_another(rig: Rig) -> None:
    for port in (8999, 443):
        one = replace(document(), params={"url": f"https://h:{port}/a.png"})
        assert rig.politeness.allows(one, 0)
        for _ in range(FAILURES_TO_OPEN if port == 8999 else 0):
            rig.politeness.learn(one, Verdict.DEAD, 0.1)
            assert one.host == "h"


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_those_that_wait_come_back_one_after_another_as_fast_as_they_are_served(rig: Rig) -> None:
    for _ in range(100):
        rig.end(Verdict.SERVED, seconds=2.0)
    turns = [rig.politeness.turn(document()) for _ in range(50)]
    assert turns == pytest.approx([0.5 * (n + 1) for n in range(50)], rel=0.01)


def test_none_comes_back_before_a_pause_is_over_and_none_much_later(rig: Rig) -> None:
    rig.end(Verdict.TOO_MUCH, seconds=1.0, retry_after=100)
    turns = [rig.politeness.turn(document()) for _ in range(2000)]
    assert min(turns) >= 100
    assert max(turns) <= 100 + MAX_TURN + 1
    assert len(set(turns[:100])) == 100, "not all at once"


def test_only_what_is_old_gives_up_a_host_that_has_long_served_nobody(rig: Rig) -> None:
    dead(rig)
    assert not rig.politeness.is_hopeless(document(), 10_000), "the host has not been dead for long"
    rig.now += 599
    rig.politeness.started(one := document())
    rig.politeness.learn(one, Verdict.DEAD, 0.0)
    rig.politeness.ended(one)
    rig.now += 2
    assert rig.politeness.is_hopeless(document(), 601)
    assert not rig.politeness.is_hopeless(document(), 599), "the import has not waited for long"
    assert not rig.politeness.is_hopeless(document("other"), 601)
    rig.now += MAX_PAUSE
    assert not rig.politeness.is_hopeless(document(), 601), "it may be tried now"


def test_a_host_that_only_ever_asks_to_wait_is_given_up_too(rig: Rig) -> None:
    for _ in range(4):
        rig.end(Verdict.TOO_MUCH, seconds=0.0, retry_after=300)
        rig.now += 299
    assert rig.politeness.is_hopeless(document(), 700)
    rig.now += 2
    rig.end(Verdict.SERVED)
    rig.end(Verdict.TOO_MUCH, seconds=0.0, retry_after=300)
    assert not rig.politeness.is_hopeless(document(), 700)


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_what_is_remembered_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.work.politeness, "MAX_HOSTS", 50)
    for number in range(500):
        rig.end(Verdict.DEAD, f"dead{number}")
        rig.end(Verdict.TOO_MUCH, f"busy{number}", retry_after=1000)
        rig.politeness.turn(document(f"slow{number}"))
    assert (len(rig.politeness._paces.values), len(rig.politeness._breakers.values)) == (50, 50)


@given(steps=st.lists(st.tuples(st.sampled_from(Verdict), st.floats(0, 30), st.sampled_from([0.0, 40.0])), max_size=80))
def test_whatever_happens_the_host_is_tried_again(steps: list[tuple[Verdict, float, float]]) -> None:
    rig = Rig()
    for verdict, seconds, retry_after in steps:
        if rig.politeness.allows(document(), 0):
            rig.end(verdict, seconds=seconds, retry_after=retry_after)
        assert 0 <= rig.politeness.pause(document()) <= 300
        assert rig.politeness.turn(document()) > 0
        rig.now += seconds
    rig.now += 300
    assert rig.politeness.allows(document(), 0)
