"""Cases of the detector suite: the detector's own life, and calls that are cut short."""

import asyncio
import inspect
from pathlib import Path

import pytest

from ...contracts import CONTRACT_VERSION, ImageInfo
from ...errors import PluginError
from ...options import PluginOptions
from ..cancellation import CancelAt, attempt
from ..images import Sample
from ..judging import assert_well_formed
from ..leaks import no_leaks
from .support import DetectorHarness, assert_says

DELAYS = (0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Seconds after which a call is cut short. They choose where it is cut, and decide nothing else."""


class LifeCases(DetectorHarness):
    async def test_it_says_what_it_is(self) -> None:
        """The class declares its contract version, its coroutines and a description of each option."""
        async with self.opened() as detector:
            cls = type(detector)
        assert type(cls.contract_version) is int
        assert 1 <= cls.contract_version <= CONTRACT_VERSION
        assert inspect.iscoroutinefunction(cls.detect)
        assert inspect.iscoroutinefunction(cls.close)
        assert issubclass(cls.Options, PluginOptions)
        for name, option in cls.Options.model_fields.items():
            assert (option.description or "").strip(), f"the option {name} has no description"

    async def test_a_new_detector_has_started_nothing(self) -> None:
        """The constructor starts no task, thread or process, and opens no file."""
        async with no_leaks():
            detector = self.made(self.make_detector())
        await detector.close()

    async def test_two_detectors_do_not_share_their_lives(self) -> None:
        """A detector still works after another instance is closed."""
        async with self.opened() as one, self.opened() as other:
            await self.assert_works(one)
            await self.assert_works(other)
            await one.close()
            await self.assert_works(other)

    # --- files that are not there -------------------------------------------------------------------------------------

    async def test_a_missing_file(self) -> None:
        """A path without a file is a well-formed ``PluginError``, whose public text does not show the path."""
        async with self.opened() as detector:
            with self.file(b"") as path:
                missing = path.with_name("missing")
                for strange in (missing, missing / "below", path / "below", path.with_name("x" * 300)):
                    await self._assert_error(await attempt(detector.detect(strange)), strange)
            await self.assert_works(detector)

    async def test_a_folder_is_no_file(self) -> None:
        """A folder is a well-formed ``PluginError``, whose public text does not show the path."""
        async with self.opened() as detector:
            with self.file(b"") as path:
                await self._assert_error(await attempt(detector.detect(path.parent)), path.parent)
            await self.assert_works(detector)

    async def _assert_error(self, result: ImageInfo | Exception, path: Path) -> None:
        assert isinstance(result, PluginError), f"{result!r}"
        assert_well_formed(result, "a file that is not there")
        assert str(path) not in result.detail, f"the path is shown: {result.detail}"

    # --- cancellation -------------------------------------------------------------------------------------------------

    async def test_cancelled_at_every_await_of_the_first_call(self) -> None:
        """A cancelled first ``detect`` ends as cancelled, at whichever await, and leaves nothing behind."""
        sample = self.samples()[0]
        with self.file(sample.data) as path:
            for nth in range(1, 1000):
                async with self.opened() as detector:
                    driver = CancelAt(detector.detect(path), nth)
                    task = await driver.run()
                    if not driver.reached:
                        return
                    assert task.cancelled(), f"cancelled at await {nth}, it ended with {task}"

    async def test_cancelled_at_every_await_of_a_later_call(self) -> None:
        """A cancelled later ``detect`` ends as cancelled, and the detector still works."""
        async with self.opened() as detector:
            with self.file(self.samples()[-1].data) as path:
                for nth in range(1, 1000):
                    await self.assert_works(detector)
                    driver = CancelAt(detector.detect(path), nth)
                    task = await driver.run()
                    if not driver.reached:
                        break
                    assert task.cancelled(), f"cancelled at await {nth}, it ended with {task}"
            await self.assert_works(detector)

    @pytest.mark.parametrize("kind", ["sample", "refused"])
    async def test_cancelled_in_the_middle(self, kind: str) -> None:
        """A ``detect`` cancelled after up to 0.3 s ends as cancelled, and the detector still works."""
        files = self.samples() if kind == "sample" else self.refused()
        data = max((file.data for file in files), key=len)
        async with self.opened() as detector:
            with self.file(data) as path:
                for seconds in DELAYS:
                    task = asyncio.create_task(detector.detect(path))
                    await asyncio.wait((task,), timeout=seconds)
                    was_done = task.done()
                    task.cancel()
                    await asyncio.wait((task,))
                    assert was_done or task.cancelled(), f"cancelled after {seconds} s, it ended with {task}"
            await self.assert_works(detector)

    async def test_cancelled_among_others(self) -> None:
        """A cancelled ``detect`` does not disturb calls that run at the same time."""
        sample = self.samples()[0]
        async with self.opened() as detector:
            with self.file(sample.data) as path:
                # Again and again: what a cancelled call keeps for itself is missed when it was the last.
                for _ in await self.affordable(detector, range(16), least=6):
                    tasks = [asyncio.create_task(detector.detect(path)) for _ in range(6)]
                    await asyncio.sleep(0)
                    for task in tasks[::2]:
                        task.cancel()
                    await asyncio.wait(tasks)
                    assert all(task.cancelled() for task in tasks[::2]), "a cancelled call ends in another way"
                    for task in tasks[1::2]:
                        assert_says(task.result(), sample)
            await self.assert_works(detector)

    # --- closing ------------------------------------------------------------------------------------------------------

    async def test_close_twice_and_at_once(self) -> None:
        """``close`` may be called again, also while another ``close`` runs."""
        async with self.opened() as detector:
            await self.assert_works(detector)
            await asyncio.gather(detector.close(), detector.close())
            await detector.close()

    async def test_close_of_an_unused_detector(self) -> None:
        """``close`` works, twice, on a detector that never read a file."""
        detector = self.made(self.make_detector())
        await detector.close()
        await detector.close()

    async def test_one_close_is_enough(self) -> None:
        """After a single ``close``, no task, thread, file descriptor or child process is left."""
        async with no_leaks():
            detector = self.made(self.make_detector())
            await self.assert_works(detector)
            await detector.close()

    async def test_use_after_close_is_an_error(self) -> None:
        """``detect`` after ``close`` raises a ``PluginError`` and starts nothing."""
        sample = self.samples()[0]
        async with self.opened() as detector:
            await self.assert_works(detector)
            await detector.close()
            async with no_leaks():
                with self.file(sample.data) as path:
                    for _ in range(3):
                        result = await attempt(detector.detect(path))
                        assert isinstance(result, PluginError), f"{result!r}"

    @pytest.mark.parametrize("turns", [0, 1, 3, 10, 100])
    @pytest.mark.parametrize("calls", [1, 16])
    async def test_close_while_it_detects(self, calls: int, turns: int) -> None:
        """``close`` ends running calls, each with its correct result or with a ``PluginError``."""
        sample = self.samples()[0]
        async with self.opened() as detector:
            with self.file(sample.data) as path:
                tasks = [asyncio.create_task(detector.detect(path)) for _ in range(calls)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                await detector.close()
                _, pending = await asyncio.wait(tasks, timeout=self.case_seconds / 2)
                assert not pending, f"{len(pending)} of {calls} calls go on after close"
                for task in tasks:
                    _assert_ended(task, sample)

    async def test_a_cancelled_close_can_be_repeated(self) -> None:
        """After a cancelled ``close``, another ``close`` releases everything."""
        for nth in range(1, 100):
            async with self.opened() as detector:
                await self.assert_works(detector)
                driver = CancelAt(detector.close(), nth)
                await driver.run()
                await detector.close()
            if not driver.reached:
                return


def _assert_ended(task: "asyncio.Task[ImageInfo]", sample: Sample) -> None:
    """With the right answer, where it was given just before the detector closed, or else with a proper error."""
    assert not task.cancelled(), "a call that nobody cancelled ends as cancelled"
    error = task.exception()
    if error is None:
        assert_says(task.result(), sample)
    else:
        assert isinstance(error, PluginError), f"{error!r}"
