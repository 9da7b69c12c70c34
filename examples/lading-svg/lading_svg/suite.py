"""The kit's cases for ``SvgDetector``."""

from collections.abc import Sequence

from lading.plugins import TypeDetector
from lading.plugins.testing import Refused, Sample, TypeDetectorSuite
from lading_svg import samples
from lading_svg.detector import SvgDetector
from lading_svg.options import SvgOptions


class SvgSuite(TypeDetectorSuite):
    """What every detector has to stand, with SVG documents."""

    def make_detector(self) -> TypeDetector:
        """See ``DetectorHarness.make_detector``."""
        return SvgDetector(self.configured if isinstance(self.configured, SvgOptions) else SvgOptions())

    def samples(self) -> Sequence[Sample]:
        """See ``DetectorHarness.samples``."""
        return samples.samples()

    def refused(self) -> Sequence[Refused]:
        """See ``DetectorHarness.refused``."""
        return samples.refused()
