"""Fuzzing with hypothesis: inputs that are composed of a target's words, and of any bytes."""

import time
from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, WORDS

SLICE: Final = 1000


def inputs_of(name: str) -> st.SearchStrategy[bytes]:
    """Inputs for a target."""
    word = st.one_of(st.sampled_from(WORDS[name]), st.binary(max_size=4))
    return st.one_of(st.lists(word, max_size=12).map(b"".join), st.binary(max_size=64))


def run_generated(name: str, inputs: int, *, seed: int, seconds: float) -> int:
    """Run a target with so many inputs, or until the time is over; how many there were.

    Raises:
        Exception: whatever the target raised, with the smallest input that makes it do so.
    """
    done = 0

    def count(data: bytes) -> None:
        nonlocal done
        done += 1
        TARGETS[name](data)

    end = time.monotonic() + seconds
    strategy = inputs_of(name)
    while done < inputs and time.monotonic() < end:
        _run_slice(count, strategy, seed, min(SLICE, inputs - done))
        seed += 1
    return done


def _run_slice(target: Callable[[bytes], None], strategy: st.SearchStrategy[bytes], number: int, inputs: int) -> None:
    """One run of hypothesis, short enough for its time to be looked at in between."""
    run = given(strategy)(target)
    run = settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )(run)
    seed(number)(run)()
