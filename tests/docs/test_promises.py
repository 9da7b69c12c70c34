"""``docs/explanation/promises.md`` against the tests: eight promises, each with tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "explanation" / "promises.md").read_text(encoding="utf-8")
NAMED = re.compile(r"^- `(tests/[\w/]+\.py)::(\w+)`$", re.MULTILINE)


def test_every_promise_names_a_test() -> None:
    parts = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    promises = [part for part in parts if re.match(r"P\d: ", part)]
    assert [part[:2] for part in promises] == [f"P{number}" for number in range(1, 9)]
    assert [part[:2] for part in promises if not NAMED.search(part)] == []


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) == TEXT.count("::test_") > 15
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), name
