"""The report, its plot and its raw results."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.plot import draw
from bench.results import Results, load, load_if_any, save
from bench.rows import Findings, Goal, Measure, Row, Table
from bench.tables import number, report

ROWS = (
    Row("theirs", "images/s", (100.0, 110.0, 90.0), "theirs", (100.0, 110.0, 90.0)),
    Row(
        "ours",
        "images/s",
        (150.0, 55.0, 90.0),
        "theirs",
        (100.0, 110.0, 90.0),
        goal=Goal(Measure.RATIO, 1.5),
        tried=9,
        succeeded=8,
    ),
    Row("quick", "ms", (5.0,), "curl", (4.0,), False, Goal(Measure.DIFFERENCE, 15.0), note="a | b"),
    Row("absent", "images/s", (), "theirs", (), goal=Goal(Measure.RATIO, 1.0), note="not installed"),
)
FINDINGS = [
    Findings("pipeline", "2026-01-01T00:00:00+00:00", 12.3, "abcdef0", (Table("few", "How it was done.", ROWS),)),
    Findings("large", "2026-01-01T00:01:00+00:00", 1.0, "", (), "RuntimeError: missing: curl"),
]
FACTS = {"CPU": "one | two"}


def lines() -> list[str]:
    return report("Results", FACTS, FINDINGS, "results.svg").splitlines()


def test_a_row_shows_its_median_its_spread_and_that_its_goal_was_missed() -> None:
    [ours] = [line for line in lines() if line.startswith("| ours ")]
    assert ours == (
        "| ours | 3 | 90.0 images/s | 55.0 to 150 | theirs | 1.00 | 0.50 to 1.50 | ≥ 1.50 | **missed** |"
        " 88.89 % (1 of 9 failed) |"
    )


def test_a_goal_that_is_a_difference_shows_it() -> None:
    [quick] = [line for line in lines() if line.startswith("| quick ")]
    assert "≤ reference + 15.0 ms (+ 1.00) | yes |" in quick
    assert quick.startswith("| quick (a \\| b) |")


def test_what_failed_or_is_missing_says_so() -> None:
    text = "\n".join(lines())
    assert "**Not measured**: RuntimeError: missing: curl" in text
    assert "| absent (not installed) |  | not measured |" in text
    assert "Goals: 1 reached, 1 missed, 1 not measured." in text


def test_every_table_has_as_many_cells_in_each_line() -> None:
    table = [
        line.replace("\\|", "") for line in lines() if line.startswith(("| what", "|---|--:", "| ours", "| absent"))
    ]
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (99.96, "100.0"), (12.34, "12.3"), (1.234, "1.23"), (-3.0, "-3.00"), (0.0, "0.00")],
)
def test_numbers_have_three_digits_or_more(value: float, text: str) -> None:
    assert number(value) == text


def test_raw_results_come_back(tmp_path: Path) -> None:
    results = Results("full", FACTS, FINDINGS)
    save(results, tmp_path / "results.json")
    assert load(tmp_path / "results.json") == results


def test_files_that_hold_no_results_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"version": 0}')
    assert load_if_any(tmp_path / "results.json") is None
    assert load_if_any(tmp_path / "other.json") is None


def test_a_section_that_is_measured_again_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    again = replace(FINDINGS[1], failure="")
    merged = Results("full", FACTS, [again]).with_earlier(Results("full", FACTS, FINDINGS), ["large", "pipeline"])
    assert merged.sections == [again, FINDINGS[0]]


def test_another_machine_s_results_are_not_mixed_in() -> None:
    earlier = Results("full", {"CPU": "another"}, FINDINGS)
    assert Results("full", FACTS, FINDINGS[1:]).with_earlier(earlier, ["pipeline", "large"]).sections == FINDINGS[1:]


def test_the_plot_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = tmp_path / "1.svg", tmp_path / "2.svg"
    assert draw(FINDINGS, first)
    assert draw(FINDINGS, second)
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text(encoding="utf-8")
    assert "few: ours" in text
    assert "few: absent" not in text


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert not draw(FINDINGS[1:], tmp_path / "none.svg")
