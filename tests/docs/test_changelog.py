"""The changelog: releases with their changes, each one line that can be read."""

import re
from datetime import date
from pathlib import Path

import lading

LINES = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
LONGEST = 100


def releases() -> list[tuple[tuple[int, ...], date]]:
    """Version and date of each release, in the order of the page."""
    headings = [line for line in LINES if line.startswith("## ")]
    assert headings[0] == "## Unreleased"
    found = [re.fullmatch(r"## ([0-9.]+) - ([0-9-]{10})", heading) for heading in headings[1:]]
    return [(tuple(map(int, match[1].split("."))), date.fromisoformat(match[2])) for match in found if match]


def test_every_section_but_the_first_is_a_release() -> None:
    assert len(releases()) == len([line for line in LINES if line.startswith("## ")]) - 1


def test_the_newest_release_comes_first_and_is_the_version_that_is_installed() -> None:
    found = releases()
    assert found == sorted(found, reverse=True)
    assert ".".join(map(str, found[0][0])) == lading.__version__


def test_every_change_is_one_line() -> None:
    changes = [line for line in LINES if line.startswith("- ")]
    assert len(changes) > 50
    assert [line for line in changes if len(line) > LONGEST] == []
    assert [line for line in LINES if line.startswith(" ")] == []


def test_no_change_is_told_twice() -> None:
    changes = [line for line in LINES if line.startswith("- ")]
    assert sorted(set(changes)) == sorted(changes)
