"""Cases of the detector suite: files that cost more CPU time or memory than the detector allows."""

import asyncio
from typing import Final

import pytest

from ...contracts import ImageInfo
from ...errors import DetectError, FormatNotAllowed, ImageCorrupt, NotAnImage, PluginError
from ..suite import UNSUPPORTED
from .spending import Spending, assert_rests, leave_out_others
from .support import Cost, Costly, DetectorHarness, judged

BEGUN: Final = 0.1
"""Seconds of CPU time after which a call has begun to decode."""


class CostCases(DetectorHarness):
    @pytest.mark.parametrize("cost", Cost)
    async def test_a_file_that_costs_too_much(self, cost: Cost) -> None:
        """A slow or greedy file is refused within its CPU time and memory, also where a child process decodes."""
        file = self._costly(cost)
        what = f"the {cost} file"
        leave_out_others()
        detector = self.made(self.make_limited())
        try:
            with self.file(file.data) as path:
                spending = Spending(file.seconds, file.memory)
                result = await spending.on(detector.detect(path), what)
                cpu = spending.cpu
                await assert_rests(f"{what} is refused")
            _assert_too_costly(result, what, cpu)
            await self.assert_works(detector)
        finally:
            await detector.close()

    @pytest.mark.parametrize("end", ["cancelled", "closed"])
    async def test_a_slow_file_is_let_go(self, end: str) -> None:
        """Once ``detect`` of a slow file is cancelled, or the detector closed, neither thread nor child works on it."""
        file = self._costly(Cost.SLOW)
        leave_out_others()
        detector = self.made(self.make_limited())
        try:
            with self.file(file.data) as path:
                spending = Spending(file.seconds, file.memory)
                task = asyncio.create_task(detector.detect(path))
                await spending.begun(task, BEGUN)
                if end == "cancelled":
                    task.cancel()
                else:
                    await detector.close()
                await asyncio.wait((task,))
                if not task.cancelled() and (error := task.exception()) is not None:
                    assert isinstance(error, PluginError), f"the call for a slow file is {end}, and raises {error!r}"
                await assert_rests(f"the call for a slow file is {end}")
            if end == "cancelled":
                await self.assert_works(detector)
        finally:
            await detector.close()

    def _costly(self, cost: Cost) -> Costly:
        """The author's file; the case is skipped where there is none."""
        self.require(cost)
        file = self.costly(cost)
        if file is None:
            pytest.skip(f"{UNSUPPORTED}{cost}: costly() of the suite gives no such file")
        return file


def _assert_too_costly(result: ImageInfo | Exception, what: str, cpu: float) -> None:
    assert not isinstance(result, ImageInfo), (
        f"{what} is recognised, after {cpu:.1f} s of CPU time: bound what decoding may cost, or give a file that costs "
        "more than the detector allows"
    )
    assert not isinstance(result, DetectError) or not result.retryable, (
        f"{what} raises {type(result).__name__}, which promises another attempt that costs as much: bound CPU time and "
        "memory, and raise ImageTooComplex"
    )
    outcome = judged(result, what)
    assert not isinstance(outcome, (NotAnImage, FormatNotAllowed, ImageCorrupt)), (
        f"{what} is whole and of a known format, and yet {type(outcome).__name__} is raised: raise ImageTooComplex"
    )
