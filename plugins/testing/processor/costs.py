"""Cases of the processor suite: what a large image costs."""

import pytest

from ...errors import ProcessError
from ..bodies import MIB
from ..detector.spending import Spending, leave_out_others
from ..suite import UNSUPPORTED
from .support import ProcessorHarness, judged, output_of, picture_of

SECONDS = 60.0
"""CPU time that a large image may take: so much that only an endless loop takes more."""


class CostCases(ProcessorHarness):
    async def test_a_large_image_takes_little_memory_of_the_service(self) -> None:
        """An image of 89 million pixels takes at most `most_memory` of the service's own process, 200 MB by default."""
        sample = self.large()
        if sample is None:
            pytest.skip(f"{UNSUPPORTED}large_image: large() of the suite gives no such image")
        leave_out_others()
        async with self.opened() as processor:
            await self.treat(processor, self.samples()[0])
            with self.file(sample.data) as path, output_of() as output:
                spending = Spending(SECONDS, self.most_memory, of_children=False)
                result = await spending.on(processor.process(picture_of(sample, path), output), sample.name)
                memory = spending.memory
            assert memory <= self.most_memory, (
                f"{sample.name} takes {memory // MIB} MiB of memory of the service where {self.most_memory // MIB} MiB "
                "are allowed: decode in a child process, and copy files a piece at a time"
            )
            if isinstance(result, ProcessError):
                judged(result, sample.name)
            else:
                assert not isinstance(result, Exception), f"{sample.name}: {result!r}"
            await self.treat(processor, self.samples()[0])
