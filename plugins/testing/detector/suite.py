"""The suite of type detectors: what ``lading.plugins.contracts.TypeDetector`` says, as hostile cases.

An author subclasses it and gives a factory, good files and files to be refused::

    class TestMyDetector(TypeDetectorSuite):
        def make_detector(self) -> TypeDetector:
            return MyDetector(MyDetectorOptions())

        def samples(self) -> Sequence[Sample]:
            return [Sample("plain", PLAIN, "QOI", "image/qoi", width=64, height=48)]

        def refused(self) -> Sequence[Refused]:
            return [Refused("no-end", PLAIN[:-1], ImageCorrupt), Refused("bomb", BOMB, TooManyPixels)]

Every case runs over all samples; messages name the one that failed. A detector that cannot tell that a file was cut off
declares ``truncation`` as unsupported. See ``lading.plugins.testing.suite`` for what holds for every case.
"""

from .life import LifeCases
from .recognising import RecognisingCases
from .refusing import RefusingCases


class TypeDetectorSuite(RecognisingCases, RefusingCases, LifeCases):
    """The cases that every type detector passes."""
