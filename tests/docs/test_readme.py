"""README is a door, not the house: it is short, it leads somewhere, and a package index can show it."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 600
LINK = re.compile(r"(?<!!)\[([^]]+)\]\(([^)#]+)(?:#([\w-]+))?\)")


def test_it_has_no_more_than_six_hundred_words() -> None:
    assert 300 < len(TEXT.split()) <= MOST_WORDS


def test_its_first_screen_has_the_first_command() -> None:
    assert "make run" in TEXT.splitlines()[:40]


def test_every_link_leads_to_a_file_and_a_heading_that_are_there() -> None:
    links = LINK.findall(TEXT)
    assert len(links) > 10
    for _, target, anchor in links:
        text = (ROOT / target).read_text(encoding="utf-8")
        headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in text.splitlines()}
        assert not anchor or anchor in headings, (target, anchor)


def test_its_picture_is_there() -> None:
    (picture,) = re.findall(r"!\[[^]]+\]\(([^)]+)\)", TEXT)
    assert (ROOT / picture).read_bytes().startswith(b"\x89PNG")


def test_a_package_index_shows_no_link_that_leads_nowhere() -> None:
    command = [sys.executable, "setup.py", "--quiet", "--long-description"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert LINK.search(done.stdout) is None
    assert "Imports on the page" not in done.stdout
    assert "your first import" in done.stdout
    assert "<http://127.0.0.1:8000>" in done.stdout
