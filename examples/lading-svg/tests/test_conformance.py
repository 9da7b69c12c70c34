"""The contract, by Lading's own kit."""

from lading_svg.suite import SvgSuite


class TestSvgDetector(SvgSuite):
    pass
