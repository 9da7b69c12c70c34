"""The suite of processors: the contract ``lading.plugins.contracts.processing.Processor`` as hostile cases.

Subclass it with a factory, images, and images that the processor must refuse::

    class TestMyProcessor(ProcessorSuite):
        def make_processor(self) -> Processor:
            return MyProcessor(MyProcessorOptions())

        def samples(self) -> Sequence[Sample]:
            return [images.sample("png"), images.sample("jpeg")]

        def rejected(self) -> Sequence[Rejected]:
            return [Rejected(images.sample("gif"), ImageRefused)]

Every case runs over all samples, and its message names the sample that failed. If the facts about an image may differ
from call to call, declare ``repeatable_facts`` as unsupported; the bytes of a new file may not differ.
``lading.plugins.testing.suite`` has the rules for every case.
"""

from typing import ClassVar

from ...errors import PluginError, ProcessError
from ..common.importing import ImportCases
from ..common.pinging import PingCases
from .answering import AnswerCases
from .costs import CostCases
from .life import LifeCases
from .reading import ReadingCases


class ProcessorSuite(AnswerCases, ReadingCases, CostCases, LifeCases, PingCases, ImportCases):
    """The cases that every processor must pass."""

    ping_error: ClassVar[type[PluginError]] = ProcessError
