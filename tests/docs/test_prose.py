"""What every page of prose keeps to."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 100
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LONG_ROWS = [ROOT / "docs" / "reference" / page for page in ("errors.md", "plugin-contracts.md")]
"""Their tables have sentences in their cells, and Markdown cannot break a row of a table."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short_enough_to_read(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    # A line of a single word, such as the name of a test, cannot be broken.
    long = [line for line in lines if len(line) > LONGEST and " " in line.strip(" ,-")]
    assert [line for line in long if page not in LONG_ROWS or not line.startswith("|")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_curl_line_that_saves_an_answer_fails_where_lading_refuses(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    saving = [line for line in text.splitlines() if "curl " in line and re.search(r" -o (?!/dev/null)", line)]
    assert [line for line in saving if "--fail-with-body" not in line] == []
