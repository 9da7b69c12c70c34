"""Cases of the processor suite: the processor's own life, and calls that are cut short."""

import asyncio
import inspect

from ...contracts import CONTRACT_VERSION
from ...contracts.processing import Processed, Processor
from ...errors import PluginError
from ...options import PluginOptions
from ..cancellation import CancelAt, attempt
from ..leaks import no_leaks
from .support import ProcessorHarness, judged, output_of, picture_of

DELAYS = (0, 0.001, 0.01, 0.1)
"""Seconds after which a call is cut short. They choose where it is cut, and decide nothing else."""


class LifeCases(ProcessorHarness):
    async def test_it_says_what_it_is(self) -> None:
        """The class declares its contract version, its coroutines and a description of each option."""
        async with self.opened() as processor:
            cls = type(processor)
        assert type(cls.contract_version) is int
        assert 1 <= cls.contract_version <= CONTRACT_VERSION, f"the contract version is {cls.contract_version}"
        assert inspect.iscoroutinefunction(cls.process)
        assert inspect.iscoroutinefunction(cls.close)
        assert issubclass(cls.Options, PluginOptions)
        for name, option in cls.Options.model_fields.items():
            assert (option.description or "").strip(), f"the option {name} has no description"

    async def test_a_new_processor_has_started_nothing(self) -> None:
        """The constructor starts no task, thread or process, and opens no file."""
        async with no_leaks():
            processor = self.made(self.make_processor())
        await processor.close()

    async def test_two_processors_do_not_share_their_lives(self) -> None:
        """A processor still works after another instance is closed."""
        async with self.opened() as one, self.opened() as other:
            await self._assert_works(one)
            await one.close()
            await self._assert_works(other)

    async def test_a_missing_file(self) -> None:
        """A missing file, or a folder, is left as it is or a ``ProcessError``, whose public text shows no path."""
        sample = self.samples()[0]
        async with self.opened() as processor:
            with self.file(sample.data) as path:
                for strange in (path.with_name("missing"), path / "below", path.parent):
                    await self.call(processor, picture_of(sample, strange), "a file that is not there")
            await self._assert_works(processor)

    # --- cancellation -------------------------------------------------------------------------------------------------

    async def test_cancelled_at_every_await(self) -> None:
        """A cancelled ``process`` ends as cancelled, at whichever await, and the processor still works."""
        sample = self.samples()[0]
        async with self.opened() as processor:
            with self.file(sample.data) as path:
                for nth in range(1, 1000):
                    with output_of() as output:
                        driver = CancelAt(processor.process(picture_of(sample, path), output), nth)
                        task = await driver.run()
                    if not driver.reached:
                        break
                    assert task.cancelled(), f"cancelled at await {nth}, it ended with {task}"
                    await self._assert_works(processor)

    async def test_nothing_is_written_after_a_cancelled_call(self) -> None:
        """Once a cancelled ``process`` has ended, the output stays as it is, and so do the calls beside it."""
        sample = self.samples()[0]
        with output_of() as output, self.file(sample.data) as path:
            for seconds in DELAYS:
                async with self.opened() as processor:
                    other = asyncio.create_task(self.treat(processor, sample))
                    task = asyncio.create_task(processor.process(picture_of(sample, path), output))
                    await asyncio.wait((task,), timeout=seconds)
                    was_done = task.done()
                    task.cancel()
                    await asyncio.wait((task,))
                    assert was_done or task.cancelled(), f"cancelled after {seconds} s, it ended with {task}"
                    with output.path.open("r+b") as file:
                        file.truncate(0)
                    await other
            await asyncio.get_running_loop().shutdown_default_executor()
            written = output.path.stat().st_size
        assert not written, f"{written} bytes are written after the call has ended"

    # --- closing ------------------------------------------------------------------------------------------------------

    async def test_close_twice_and_at_once(self) -> None:
        """``close`` may be called again, also while another ``close`` runs, and of an unused processor too."""
        async with self.opened() as processor:
            await self._assert_works(processor)
            await asyncio.gather(processor.close(), processor.close())
            await processor.close()
        unused = self.made(self.make_processor())
        await unused.close()
        await unused.close()

    async def test_one_close_is_enough(self) -> None:
        """After a single ``close``, no task, thread, file descriptor or child process is left."""
        async with no_leaks():
            processor = self.made(self.make_processor())
            await self._assert_works(processor)
            await processor.close()

    async def test_use_after_close_is_an_error(self) -> None:
        """``process`` after ``close`` raises a ``PluginError`` and starts nothing."""
        sample = self.samples()[0]
        async with self.opened() as processor:
            await self._assert_works(processor)
            await processor.close()
            async with no_leaks():
                with self.file(sample.data) as path, output_of() as output:
                    result = await attempt(processor.process(picture_of(sample, path), output))
                assert isinstance(result, PluginError), f"after close, process gives {result!r}"

    async def test_close_while_it_processes(self) -> None:
        """``close`` ends running calls, each with a ``Processed`` or with a ``ProcessError``."""
        sample = self.samples()[0]
        for turns in (0, 1, 10):
            async with self.opened() as processor:
                with self.file(sample.data) as path, output_of() as output:
                    task = asyncio.create_task(processor.process(picture_of(sample, path), output))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    await processor.close()
                    _, pending = await asyncio.wait((task,), timeout=self.case_seconds / 2)
                    assert not pending, "a call goes on after close"
                    _assert_ended(task)

    async def _assert_works(self, processor: Processor) -> None:
        await self.treat(processor, self.samples()[0])


def _assert_ended(task: "asyncio.Task[Processed]") -> None:
    assert not task.cancelled(), "a call that nobody cancelled ends as cancelled"
    error = task.exception()
    if isinstance(error, Exception):
        judged(error, "close while it processes")
    else:
        assert isinstance(task.result(), Processed)
