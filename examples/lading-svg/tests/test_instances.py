"""How many elements a document comes to."""

from collections.abc import Callable

import pytest

from lading_svg.errors import CircularUse, DetectorClosed, TooComplex
from lading_svg.instances import Instances

ENOUGH = 10**9


def nothing() -> None:
    """Look at no clock."""


def least_limit(instances: Callable[[], Instances]) -> int:
    """The number that it comes to: the smallest limit that lets it through, found by halving."""
    low, high = 0, ENOUGH
    while low < high:
        middle = (low + high) // 2
        try:
            instances().check(middle, nothing)
        except TooComplex:
            low = middle + 1
        else:
            high = middle
    return low


def tower(levels: int) -> Instances:
    """Each level uses the one before it twice."""
    instances = Instances()
    for level in range(levels):
        instances.enter([f"level {level}"], [])
        for _ in range(2):
            instances.enter([], [f"level {level - 1}"])
            instances.leave()
        instances.leave()
    return instances


def test_without_uses_each_element_counts_once() -> None:
    def plain() -> Instances:
        instances = Instances()
        instances.enter([], [])
        for name in ("a", "b", "a"):
            instances.enter([name], [])
            instances.enter([], [])
            instances.leave()
            instances.leave()
        instances.leave()
        return instances

    assert least_limit(plain) == 7


@pytest.mark.parametrize(("levels", "expected"), [(1, 3), (2, 3 + 9), (3, 3 + 9 + 21)])
def test_uses_count_what_they_repeat(levels: int, expected: int) -> None:
    assert least_limit(lambda: tower(levels)) == expected


def test_a_high_tower_is_added_up_in_no_time() -> None:
    with pytest.raises(TooComplex):
        tower(5000).check(ENOUGH, nothing)


def test_a_long_chain_is_no_circle() -> None:
    instances = Instances()
    for number in range(50_000):
        instances.enter([f"{number}"], [f"{number + 1}"])
        instances.leave()
    with pytest.raises(TooComplex):  # each counts what is behind it
        instances.check(1_000_000, nothing)


def test_a_long_circle() -> None:
    instances = Instances()
    for number in range(50_000):
        instances.enter([f"{number}"], [f"{(number + 1) % 50_000}"])
        instances.leave()
    with pytest.raises(CircularUse):
        instances.check(ENOUGH, nothing)


def test_the_sum_can_be_stopped() -> None:
    looks = iter(range(100))

    def look() -> None:
        if next(looks) == 10:
            raise DetectorClosed

    with pytest.raises(DetectorClosed):
        tower(20).check(ENOUGH, look)
