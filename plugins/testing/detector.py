"""The suite of type detectors: what ``plugins.contracts.TypeDetector`` says, as hostile cases.

An author subclasses it and gives a factory, good files and files to be refused::

    class TestMyDetector(TypeDetectorSuite):
        def make_detector(self) -> TypeDetector:
            return MyDetector(MyDetectorOptions())

        def samples(self) -> Sequence[Sample]:
            return [Sample("plain", PLAIN, "QOI", "image/qoi", width=64, height=48)]

        def refused(self) -> Sequence[Refused]:
            return [Refused("no-end", PLAIN[:-1], ImageCorrupt), Refused("bomb", BOMB, TooManyPixels)]

Every case runs over all samples; messages name the one that failed. A detector that cannot tell that a file was cut off
declares ``truncation`` as unsupported. See ``plugins.testing.suite`` for what holds for every case.
"""

from plugins.testing.detector_life import LifeCases
from plugins.testing.detector_recognising import RecognisingCases
from plugins.testing.detector_refusing import RefusingCases


class TypeDetectorSuite(RecognisingCases, RefusingCases, LifeCases):
    """The cases that every type detector passes."""
