"""``Prefer``: of all preferences, how long a client is ready to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.api.params.prefer import preferred_wait


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([], None),
        (["wait=10"], 10),
        (["WAIT = 10"], 10),
        (['wait="10"'], 10),
        (["respond-async, wait=5"], 5),
        (["respond-async", "wait=5; foo=bar"], 5),
        (["wait=5, wait=7"], 5),
        (['foo="a, wait=9", wait=2'], 2),
        (['foo="\\", wait=9"'], None),
        (["wait=0"], 0),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait"], None),
        (["waiting=3"], None),
        (["wait=99999999999999"], None),
    ],
)
def test_the_first_that_can_be_read_holds(values: list[str], seconds: int | None) -> None:
    assert preferred_wait(values) == seconds


@given(st.lists(st.text(max_size=200), max_size=3))
def test_nothing_breaks_it(values: list[str]) -> None:
    assert preferred_wait(values) is None or "wait" in ",".join(values).lower()


def test_its_cost_is_bounded() -> None:
    assert preferred_wait(['"' * 100_000, "wait=1"]) is None
