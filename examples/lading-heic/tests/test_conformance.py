"""The contracts, by Lading's own kit."""

from lading_heic.suite import HeicDetectorSuite, HeicProcessorSuite


class TestHeicDetector(HeicDetectorSuite):
    pass


class TestHeicProcessor(HeicProcessorSuite):
    pass
