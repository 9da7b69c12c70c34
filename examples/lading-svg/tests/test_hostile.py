"""Hostile documents are refused, each for the reason that it deserves, quickly and in little memory."""

from pathlib import Path

import pytest

from lading.plugins.errors import DetectError, ImageCorrupt, NotAnImage, SideTooLong, TooManyPixels
from lading.plugins.testing import assert_well_formed, bounded_memory
from lading_svg.errors import SvgRefused
from tests.hostile import HOSTILE
from tests.support import outcome

MOST_MEMORY = 32 * 1024 * 1024


@pytest.mark.parametrize("name", HOSTILE)
def test_refused(name: str, tmp_path: Path) -> None:
    document, expected = HOSTILE[name]
    with bounded_memory(name, MOST_MEMORY):
        refused = outcome(tmp_path / "image.svg", document)
    assert type(refused) is expected, f"{refused!r}"
    assert isinstance(refused, DetectError)
    assert not refused.retryable
    assert_well_formed(refused, name)


def test_the_table_is_large_and_has_every_refusal() -> None:
    assert len(HOSTILE) >= 80
    errors = {error for _, error in HOSTILE.values()}
    assert errors == {*SvgRefused.__subclasses__(), ImageCorrupt, NotAnImage, SideTooLong, TooManyPixels}
