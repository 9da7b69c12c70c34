"""The errors of the plugin's own: their codes, their texts, and whether another attempt is worth it."""

import re

import pytest

from lading.plugins.errors import DetectError
from lading_svg import errors
from tests.support import README

CLASSES = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, DetectError)]
OWN = [error for error in CLASSES if error.__module__ == errors.__name__]


def test_codes_are_the_plugins_own() -> None:
    assert all(error.code.startswith("svg_") for error in OWN)
    assert len({error.code for error in OWN}) == len(OWN)


@pytest.mark.parametrize("error", OWN)
def test_only_what_is_not_the_files_fault_is_tried_again(error: type[DetectError]) -> None:
    assert error.retryable is not issubclass(error, errors.SvgRefused)


def test_the_readme_has_every_code() -> None:
    _, _, section = README.read_text(encoding="utf-8").partition("## Errors\n")
    rows = re.findall(r"^\| `(\w+)` \| (yes|no) \|", section.partition("\n## ")[0], re.MULTILINE)
    raised = [error for error in OWN if error is not errors.SvgRefused]
    assert rows == [(error.code, "yes" if error.retryable else "no") for error in raised]
