"""The built-in detector passes the published suite: with all formats, and with few of them."""

from pathlib import Path
from typing import ClassVar

import pytest

from lading.plugins.detectors.pillow.detector import PillowOptions
from lading.plugins.options import PluginOptions
from lading.plugins.suites import PillowSuite
from lading.plugins.testing.suite import run_case


@pytest.mark.sampled(4)
class TestPillow(PillowSuite):
    pass


@pytest.mark.long_form
class TestPillowWithFewFormats(PillowSuite):
    """Most good images are then of formats of others; limits that the cases do not fit into are not kept."""

    configured: ClassVar[PluginOptions | None] = PillowOptions(
        formats=("JPEG2000", "PNG", "TIFF"),
        max_pixels=1000,
        max_side=10,
        max_frames=1,
        memory_limit=1 << 27,
        verify="structure",
        processes=1,
        recycle_after=50,
    )


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "case",
    [
        "test_it_says_what_it_is",
        "test_every_sample_is_recognised",
        "test_every_refused_file_gives_its_class",
        "test_good_images_of_other_formats",
        "test_bombs",
        "test_truncated_files",
        "test_many_at_once",
    ],
)
def test_with_few_formats(case: str, tmp_path: Path) -> None:
    """The cases in which formats and limits matter."""
    suite = TestPillowWithFewFormats()
    suite.place = tmp_path / "place"
    run_case(suite, getattr(suite, case)())
