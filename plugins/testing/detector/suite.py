"""The suite of type detectors: the contract ``lading.plugins.contracts.TypeDetector`` as hostile cases.

Subclass it with a factory, good files, and files that the detector must refuse::

    class TestMyDetector(TypeDetectorSuite):
        def make_detector(self) -> TypeDetector:
            return MyDetector(MyDetectorOptions())

        def samples(self) -> Sequence[Sample]:
            return [Sample("plain", PLAIN, "QOI", "image/qoi", width=64, height=48)]

        def refused(self) -> Sequence[Refused]:
            return [Refused("no-end", PLAIN[:-1], ImageCorrupt), Refused("bomb", BOMB, TooManyPixels)]

``costly`` and ``make_limited`` show that limits hold. Every case runs over all samples, or over as many as time allows
where each call takes long, and its message names the sample that failed. If a detector cannot recognise a
truncated file, declare ``truncation`` as unsupported. ``lading.plugins.testing.suite`` has the rules for every case.
"""

from typing import ClassVar

from ...errors import DetectError, PluginError
from ..common.importing import ImportCases
from ..common.pinging import PingCases
from .costs import CostCases
from .life import LifeCases
from .making import ThumbnailCases
from .recognising import RecognisingCases
from .refusing import RefusingCases


class TypeDetectorSuite(RecognisingCases, RefusingCases, CostCases, ThumbnailCases, LifeCases, PingCases, ImportCases):
    """The cases that every type detector must pass."""

    ping_error: ClassVar[type[PluginError]] = DetectError
