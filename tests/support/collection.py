"""The order in which several processes run the tests."""

from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import TypeVar

T = TypeVar("T")


def in_shares(
    items: Sequence[T], workers: int, module_of: Callable[[T], Hashable], is_slow: Callable[[T], bool]
) -> list[T]:
    """Order the tests so that every worker begins with slow modules.

    pytest-xdist gives each worker one contiguous share of the tests, of equal numbers. With the slow modules side by
    side, one worker would have them all, and the others would wait for it in the end.

    Args:
        items: the tests, in order; those of a module side by side.
        workers: the number of processes, at least 1.
        module_of: the module of a test, which stays together where a share does not end.
        is_slow: whether the module of this test is slow.

    Returns:
        The same tests in another order, the same in each worker.
    """
    modules = [list(tests) for _, tests in groupby(items, module_of)]
    slow = [tests for tests in modules if any(map(is_slow, tests))]
    quick = [test for tests in modules if not any(map(is_slow, tests)) for test in tests]
    shares: list[list[T]] = [[] for _ in range(workers)]
    for number, tests in enumerate(slow):
        shares[number % workers] += tests
    ordered: list[T] = []
    for number, share in enumerate(shares):
        room = (len(items) - len(ordered)) // (workers - number)
        wanted = max(0, room - len(share))
        ordered += [*share, *quick[:wanted]]
        del quick[:wanted]
    return ordered + quick
