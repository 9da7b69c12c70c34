"""The accounting of what runs and what waits, against a model of it that counts anew each time."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.models import Import
from lading.service.work.politeness import FAILURES_TO_OPEN, FIRST_PAUSE, Politeness, Verdict
from lading.service.work.slots import Limits, Slots
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import

CLOCK = SettableClock()


def document(host: str = "h", issuer: str = "i") -> Import:
    return make_import(CLOCK, host=host, issuer=issuer)


def slots_of(limits: Limits) -> Slots:
    return Slots(limits, Politeness(limits.per_host, patience=600, max_pause=600, now=lambda: 0.0))


def test_an_issuer_and_a_host_have_their_own_limits() -> None:
    slots = slots_of(Limits(concurrency=10, per_issuer=2, per_host=3))
    assert slots.start(document("a", "x"))
    assert slots.start(document("a", "x"))
    assert not slots.start(document("b", "x"))
    assert slots.start(document("a", "y"))
    assert not slots.start(document("a", "z"))
    assert slots.start(document("b", "z"))
    assert slots.free == 6
    assert len(slots.held) == 4


def test_imports_without_a_host_share_no_limit() -> None:
    slots = slots_of(Limits(10, 10, 1))
    assert all(slots.start(make_import(CLOCK, issuer="i", host="h") if n == 0 else _hostless()) for n in range(5))
    assert slots.free == 5


def _hostless() -> Import:
    found = make_import(CLOCK, host="")
    assert found.host == ""
    return found


@pytest.mark.parametrize(("concurrency", "waiting"), [(1, 1), (2, 1), (3, 1), (8, 4), (9, 4)])
def test_at_most_half_of_the_places_are_given_to_waiting_imports(concurrency: int, waiting: int) -> None:
    slots = slots_of(Limits(concurrency, 10, 10))
    assert [slots.wait(document()) for _ in range(waiting + 2)] == [True] * waiting + [False, False]
    assert slots.free == concurrency - waiting


def test_waiting_imports_start_in_the_order_of_their_arrival_as_far_as_limits_allow() -> None:
    slots = slots_of(Limits(10, 10, 1))
    running = {host: document(host) for host in "ab"}
    for host in "ab":
        assert slots.start(running[host])
    waiting = [document(host) for host in "abab"]
    for one in waiting:
        assert slots.wait(one)
    assert list(slots.startable()) == []
    slots.finish(running["b"])
    assert list(slots.startable()) == [waiting[1]]
    slots.finish(running["a"])
    slots.finish(waiting[1])
    assert list(slots.startable()) == [waiting[0], waiting[3]]
    assert slots.waiting == (waiting[2],)


def test_full_issuers_counts_those_that_wait() -> None:
    slots = slots_of(Limits(10, 3, 1))
    assert slots.start(document("a", "x"))
    assert slots.wait(document("a", "x"))
    assert set(slots.full_issuers()) == set()
    assert slots.wait(document("a", "x"))
    assert set(slots.full_issuers()) == {"x"}


def test_to_finish_twice_or_what_was_never_there_changes_nothing() -> None:
    slots = slots_of(Limits(4, 4, 1))
    one, other = document(), document()
    assert slots.start(one)
    slots.finish(other)
    assert not slots.start(other), "the place of the first is still taken"
    slots.finish(one)
    slots.finish(one)
    assert slots.start(other)
    assert not slots.start(one)


def test_an_import_that_was_to_try_a_dead_host_and_never_did_leaves_it_to_another() -> None:
    now = 0.0
    politeness = Politeness(4, patience=600, max_pause=600, now=lambda: now)
    slots = Slots(Limits(8, 8, 4), politeness)
    for _ in range(FAILURES_TO_OPEN):
        politeness.learn(document(), Verdict.DEAD, 0.1)
    now = FIRST_PAUSE
    probe, other = document(), document()
    assert slots.start(probe)
    assert not slots.start(other)
    assert not slots.wait(other)
    slots.finish(probe)
    assert slots.start(other)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "finish", "turn"]), st.sampled_from("abc"), st.sampled_from("xyz"), st.floats(0, 1)
    ),
    max_size=60,
)


@given(steps=STEPS, concurrency=st.integers(1, 6), per_issuer=st.integers(1, 3), per_host=st.integers(1, 3))
def test_whatever_happens_the_counts_are_those_of_what_is_held(
    steps: list[tuple[str, str, str, float]], concurrency: int, per_issuer: int, per_host: int
) -> None:
    slots = slots_of(Limits(concurrency, per_issuer, per_host))
    running: dict[str, Import] = {}
    waiting: dict[str, Import] = {}
    for step, host, issuer, choice in steps:
        held = {**running, **waiting}
        if step == "claim" and slots.free > 0:
            new = document(host, issuer)
            room = (
                sum(one.host == host for one in running.values()) < per_host
                and sum(one.issuer_id == issuer for one in running.values()) < per_issuer
            )
            assert slots.start(new) == room
            if room:
                running[new.id] = new
            elif slots.wait(new):
                waiting[new.id] = new
        elif step == "finish" and held:
            ended = list(held.values())[int(choice * (len(held) - 1))]
            slots.finish(ended)
            running.pop(ended.id, None)
            waiting.pop(ended.id, None)
        elif step == "turn":
            for started in slots.startable():
                running[started.id] = waiting.pop(started.id)
        assert slots.free == concurrency - len(running) - len(waiting) >= 0
        assert {one.id for one in slots.held} == {*running, *waiting}
        assert {one.id for one in slots.waiting} == set(waiting)
        assert max(Counter(one.host for one in running.values()).values(), default=0) <= per_host
        assert max(Counter(one.issuer_id for one in running.values()).values(), default=0) <= per_issuer
    list(map(slots.finish, slots.held))
    assert (slots.free, len(slots._hosts), len(slots._issuers)) == (concurrency, 0, 0)
