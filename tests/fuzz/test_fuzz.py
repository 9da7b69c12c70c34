"""The short form of the fuzzing: some hundred inputs for each parser. ``make fuzz`` runs the long one."""

import pytest

from tests.fuzz.generated import run_generated
from tests.fuzz.targets import TARGETS, WORDS

INPUTS = 400


def test_every_target_has_its_words() -> None:
    assert TARGETS.keys() == WORDS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_uncaught(name: str) -> None:
    assert run_generated(name, INPUTS, seed=1, seconds=60) > 0
