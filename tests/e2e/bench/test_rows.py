"""The rig's arithmetic: medians, spreads, ratios round by round, and goals."""

import pytest

from bench.rows import Goal, Measure, Row, Spread


def row(
    values: tuple[float, ...], reference: tuple[float, ...], *, higher: bool = True, goal: Goal | None = None
) -> Row:
    return Row("ours", "images/s", values, "theirs", reference, higher, goal)


def test_the_median_and_its_spread() -> None:
    assert Spread.of([3.0, 9.0, 1.0]) == Spread(3.0, 1.0, 9.0)
    assert Spread.of([4.0, 2.0]) == Spread(3.0, 2.0, 4.0)
    assert Spread.of([]) is None


def test_ratios_are_taken_round_by_round() -> None:
    # The ratio of the medians would be 2.
    assert row((10.0, 20.0, 90.0), (10.0, 5.0, 30.0)).ratio == Spread(3.0, 1.0, 4.0)
    assert row((10.0, 20.0), (4.0, 5.0)).difference == Spread(10.5, 6.0, 15.0)


def test_a_reference_of_nothing_has_no_ratio() -> None:
    assert row((1.0, 1.0), (2.0, 0.0)).ratio is None
    assert row((1.0,), ()).ratio is None
    assert row((), (1.0,)).ratio is None


def test_rounds_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="ours: 2 values, 1 of its reference"):
        row((1.0, 2.0), (1.0,))


@pytest.mark.parametrize(
    ("measure", "bound", "higher", "reached"),
    [
        (Measure.RATIO, 2.0, True, True),
        (Measure.RATIO, 2.1, True, False),
        (Measure.RATIO, 2.0, False, True),
        (Measure.RATIO, 1.9, False, False),
        (Measure.VALUE, 20.0, False, True),
        (Measure.VALUE, 19.0, False, False),
        (Measure.DIFFERENCE, 10.0, False, True),
        (Measure.DIFFERENCE, 9.0, False, False),
    ],
)
def test_a_goal_bounds_the_median_of_what_it_is_about(
    measure: Measure, bound: float, higher: bool, reached: bool
) -> None:
    one = row((20.0, 20.0, 20.0), (10.0, 10.0, 10.0), higher=higher, goal=Goal(measure, bound))
    assert one.is_reached is reached


def test_what_was_not_measured_reaches_and_misses_nothing() -> None:
    assert row((), (), goal=Goal(Measure.RATIO, 1.0)).is_reached is None
    assert row((1.0,), (1.0,)).is_reached is None


@pytest.mark.parametrize(
    ("measure", "bound", "ratio"),
    [(Measure.RATIO, 0.75, 0.75), (Measure.VALUE, 5.0, 0.5), (Measure.DIFFERENCE, 15.0, 2.5)],
)
def test_goals_are_drawn_where_they_are_as_ratios(measure: Measure, bound: float, ratio: float) -> None:
    assert row((1.0,), (10.0,), goal=Goal(measure, bound)).goal_as_ratio == ratio
