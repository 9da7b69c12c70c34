"""The generated parts of the reference are those that ``make docs-pages`` writes today."""

import re
from pathlib import Path

import pytest

from tests.docs.generate.kit import SUITES
from tests.docs.generate.marks import filled
from tests.docs.generate.parts import PARTS, generated
from tests.docs.test_service_conf import models


@pytest.mark.parametrize("page", PARTS, ids=lambda page: page.name)
def test_the_page_is_as_it_is_generated(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == generated(page), 'run "make docs-pages"'


def test_every_option_has_its_place() -> None:
    page = next(page for page in PARTS if page.name == "configuration.md").read_text(encoding="utf-8")
    variables = re.findall(r"`(LADING_\w+__\w+)`", page)
    assert len(variables) == len(set(variables)) == sum(len(model.model_fields) for model in models().values())


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.__name__)
def test_every_case_of_a_suite_says_which_promise_it_tests(suite: type) -> None:
    page = next(page for page in PARTS if page.name == "kit.md").read_text(encoding="utf-8")
    cases = [name for name in dir(suite) if name.startswith("test_")]
    assert len(cases) > 20
    assert [name for name in cases if not (getattr(suite, name).__doc__ or "").endswith(".")] == []
    assert [name for name in cases if f"- `{name}`:" not in page] == []


def test_a_part_that_has_no_place_or_no_maker_is_noticed() -> None:
    page = "<!-- generated: one -->\nold\n<!-- end of generated -->"
    assert filled(page, {"one": "new"}) == "<!-- generated: one -->\n\nnew\n\n<!-- end of generated -->"
    with pytest.raises(ValueError, match="other"):
        filled(page, {"one": "new", "other": "newer"})
    with pytest.raises(KeyError):
        filled(page, {})
