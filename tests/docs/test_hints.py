"""The hints of traces are the remedies of ``docs/reference/errors.md``, word by word."""

import re
from pathlib import Path

from lading.service.errors.hints import HINTS
from lading.service.observe.traces import hint_of

ROW = re.compile(r"\| `(\w+)` \| (.*) \|")


def test_every_error_has_the_hint_that_the_docs_have() -> None:
    rows: dict[str, str] = {}
    for line in Path(__file__).parents[2].joinpath("docs/reference/errors.md").read_text(encoding="utf-8").splitlines():
        match = ROW.fullmatch(line)
        if match:
            rows.setdefault(match[1], match[2].rpartition(" | ")[2])
    assert len(rows) > 100
    assert rows == HINTS


def test_other_codes_have_none() -> None:
    assert hint_of("a_plugin_of_somebody_else") is None
