"""The built-in detector passes the published suite: with all formats, and with few of them."""

from typing import ClassVar

from lading.plugins.detectors.pillow.detector import PillowOptions
from lading.plugins.options import PluginOptions
from lading.plugins.suites import PillowSuite


class TestPillow(PillowSuite):
    pass


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
