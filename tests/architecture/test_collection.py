"""The order of the tests loses none of them, and begins each worker's share with a slow module."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.collection import in_shares

MODULES = st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=12)


def items_of(modules: list[tuple[int, bool]]) -> list[tuple[int, bool, int]]:
    return [(number, slow, test) for number, (size, slow) in enumerate(modules) for test in range(size)]


@given(MODULES, st.integers(1, 5))
def test_no_test_is_lost_and_modules_keep_their_order(modules: list[tuple[int, bool]], workers: int) -> None:
    items = items_of(modules)
    ordered = in_shares(items, workers, lambda item: item[0], lambda item: item[1])
    assert sorted(ordered) == items
    for number in range(len(modules)):
        mine = [item for item in ordered if item[0] == number]
        assert mine == sorted(mine)


def test_each_share_begins_with_slow_modules() -> None:
    items = items_of([(10, False), (2, True), (10, False), (3, True), (1, True), (14, False)])
    ordered = in_shares(items, 2, lambda item: item[0], lambda item: item[1])
    assert [item[0] for item in ordered[:3]] == [1, 1, 4]
    assert [item[0] for item in ordered[20:23]] == [3, 3, 3]
