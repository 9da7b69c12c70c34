"""What the detector suite is made of: the harness that an author fills in."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

from plugins.contracts import TypeDetector
from plugins.errors import DetectError
from plugins.testing.images import Sample
from plugins.testing.suite import Suite


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that the detector must refuse, and the exact class of the error."""

    name: str
    data: bytes
    error: type[DetectError]


class DetectorHarness(Suite):
    """What an author gives."""

    optional: ClassVar[frozenset[str]] = frozenset({"truncation"})

    @abstractmethod
    def make_detector(self) -> TypeDetector:
        """A new detector. Called inside the running event loop."""

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """Good files of every format that the detector knows, with what it is to say of them; at least one."""

    @abstractmethod
    def refused(self) -> Sequence[Refused]:
        """Files of its formats that it refuses: damaged, too large, malicious; at least one."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[TypeDetector]:
        """A detector; it is closed on exit."""
        detector = self.made(self.make_detector())
        try:
            yield detector
        finally:
            await detector.close()
