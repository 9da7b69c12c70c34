"""``SECURITY.md`` against the tests: every promise names at least one, and every one that is named exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises() -> list[str]:
    """The items of the list of promises, each with the lines that belong to it."""
    section = TEXT.partition("\n## What is promised\n")[2].partition("\n## ")[0]
    return [item for part in section.split("\n### ")[1:] for item in part.split("\n- ")[1:]]


def test_every_promise_names_a_test() -> None:
    assert len(promises()) > 20
    for promise in promises():
        assert _NAMED.search(promise), promise


def test_every_test_that_is_named_exists() -> None:
    named = _NAMED.findall(TEXT)
    assert len(named) == len(set(named)) == TEXT.count("::test_")
    for path, name in named:
        assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name


def test_every_heading_that_readers_look_for_is_there() -> None:
    for heading in ("Reporting a vulnerability", "Threat model", "What is promised", "What the operator must add"):
        assert f"\n## {heading}\n" in TEXT
