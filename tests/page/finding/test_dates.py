"""Dates as people write them, and the days of the filters."""

import pytest

from tests.page.browsing import Tab

TOLD = """
async (date) => {
  const { lately } = await import("/page/test/base/format.js");
  return lately(new Date(date), new Date("2026-12-02T15:00:00")).replaceAll("\\u202f", " ");
}
"""
ASKED = """
async (address) => {
  const { queryOf, wantedIn } = await import("/page/test/gallery/filters.js");
  const wanted = wantedIn(new URLSearchParams(address));
  return wanted && queryOf(wanted).map(([name, text]) => [name, name.startsWith("created") ? Date.parse(text) : text]);
}
"""


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("2026-12-02T14:59:50", "just now"),
        ("2026-12-02T14:55:00", "5 minutes ago"),
        ("2026-12-02T08:15:00", "today at 8:15 AM"),
        ("2026-12-01T23:30:00", "yesterday at 11:30 PM"),
        ("2026-11-20T10:30:00", "Nov 20, 10:30 AM"),
        ("2025-11-20T10:30:00", "Nov 20, 2025, 10:30 AM"),
    ],
)
def test_a_moment_is_told_as_people_write_it(shared_tab: Tab, date: str, told: str) -> None:
    assert shared_tab.page.evaluate(TOLD, date) == told


def test_days_of_filters_are_whole_and_those_of_the_person(shared_tab: Tab) -> None:
    page = shared_tab.page
    midnight = page.evaluate("() => [new Date(2026, 11, 2).getTime(), new Date(2026, 11, 4).getTime()]")
    asked = page.evaluate(ASKED, "after=2026-12-02&before=2026-12-03")
    assert asked == [["created_after", midnight[0]], ["created_before", midnight[1]]]
    assert page.evaluate(ASKED, "after=yesterday&before=2026-13-01T10:00&status=done") == [["status", "done"]]
    assert page.evaluate(ASKED, "after=2026-12-02T10:00") is None
