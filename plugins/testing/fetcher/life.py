"""Cases of the fetcher suite: the fetcher's own life, and fetches that are cut short."""

import asyncio
import inspect
import re

import pytest

from ...contracts import CONTRACT_VERSION, Fetcher, Source
from ...errors import FetchError
from ...options import PluginOptions
from ..bodies import MIB, Body, assert_bytes
from ..cancellation import CancelAt, attempt
from ..leaks import no_leaks
from .support import Fetch, FetcherHarness, FetchLimits, Flaw, assert_error, assert_piece, assert_whole, ended, fetch

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_KIND = re.compile(r"[a-z][a-z0-9_-]*")

DELAYS = (0, 0.001, 0.01, 0.1, 0.3)
"""Seconds after which a fetch is cut short. They choose where it is cut, and decide nothing else."""

LONG = 12 * MIB
"""More than a fetcher may have in memory when its reader rests."""


class LifeCases(FetcherHarness):
    async def test_it_says_what_it_is(self) -> None:
        """The class declares contract version, kind, schemes, methods and a description of each option."""
        async with self.opened() as fetcher:
            cls = type(fetcher)
        version = cls.contract_version
        assert type(version) is int, f"contract_version is {version!r}"
        assert 1 <= version <= CONTRACT_VERSION, f"contract_version is {version}"
        assert isinstance(cls.kind, str), f"kind is {cls.kind!r}"
        assert _KIND.fullmatch(cls.kind), f"kind is {cls.kind!r}"
        assert isinstance(cls.schemes, frozenset), f"schemes is {cls.schemes!r}"
        assert cls.schemes, "it serves no scheme"
        for scheme in cls.schemes:
            assert _SCHEME.fullmatch(scheme), f"{scheme!r} is no lower-case scheme"
        assert not inspect.iscoroutinefunction(cls.check)
        assert not inspect.iscoroutinefunction(cls.open)
        assert inspect.iscoroutinefunction(cls.close)
        assert issubclass(cls.Options, PluginOptions)
        for name, option in cls.Options.model_fields.items():
            assert (option.description or "").strip(), f"the option {name} has no description"

    async def test_a_new_fetcher_has_started_nothing(self) -> None:
        """The constructor starts no task, thread or process, and opens no socket."""
        async with no_leaks():
            fetcher = self.made(self.make_fetcher(FetchLimits()))
        await fetcher.close()

    async def test_two_fetchers_do_not_share_their_lives(self) -> None:
        """A fetcher still works after another instance is closed."""
        async with self.opened() as one, self.opened() as other:
            await self.assert_works(one)
            await self.assert_works(other)
            await one.close()
            await self.assert_works(other)

    # --- cancellation -------------------------------------------------------------------------------------------------

    async def test_cancelled_at_every_await_of_the_first_fetch(self) -> None:
        """A cancelled first fetch ends as cancelled, at whichever await, and the fetcher still works."""
        source = await self.serve(Body(min(200_000, self.largest_body)))
        for nth in range(1, 1000):
            async with self.opened() as fetcher:
                if not await _cancelled_at(fetcher, source, nth):
                    return
                await self.assert_works(fetcher)

    async def test_cancelled_at_every_await_of_a_later_fetch(self) -> None:
        """A cancelled later fetch ends as cancelled, and the fetcher still works."""
        source = await self.serve(Body(min(200_000, self.largest_body)))
        async with self.opened() as fetcher:
            await self.assert_works(fetcher)
            for nth in range(1, 1000):
                if not await _cancelled_at(fetcher, source, nth):
                    break
            await self.assert_works(fetcher)

    @pytest.mark.parametrize("flaw", [Flaw.SILENT, Flaw.STALLED, Flaw.DRIPPING, Flaw.ENDLESS, Flaw.DOWN])
    async def test_cancelled_while_the_origin_misbehaves(self, flaw: Flaw) -> None:
        """A fetch from a misbehaving origin ends as cancelled, whenever it is cancelled."""
        source = await self.serve_with(flaw, Body(100_000))
        async with self.opened() as fetcher:
            for seconds in DELAYS:
                task = asyncio.create_task(_drain(fetcher, source))
                await asyncio.wait((task,), timeout=seconds)
                was_done = task.done()
                task.cancel()
                await ended(task)
                assert was_done or task.cancelled(), f"{flaw}: cancelled after {seconds} s, it ended with {task}"
                _retrieve(task)
            await self.assert_works(fetcher)

    async def test_cancelled_among_others(self) -> None:
        """A cancelled fetch does not disturb fetches that run at the same time."""
        body = Body(min(20_000, self.largest_body))
        source = await self.serve(body)
        async with self.opened() as fetcher:
            # Again and again: what a cancelled fetch keeps for itself is missed when it was the last.
            for turns in range(8):
                tasks = [asyncio.create_task(fetch(fetcher, source)) for _ in range(6)]
                for _ in range(2 * turns):
                    await asyncio.sleep(0)
                for task in tasks[::2]:
                    task.cancel()
                await ended(*tasks)
                for task in tasks[1::2]:
                    assert_whole(task.result(), body, "a fetch beside cancelled ones")
            await self.assert_works(fetcher)

    # --- closing ------------------------------------------------------------------------------------------------------

    async def test_close_twice_and_at_once(self) -> None:
        """``close`` may be called again, also while another ``close`` runs."""
        async with self.opened() as fetcher:
            await self.assert_works(fetcher)
            await asyncio.gather(fetcher.close(), fetcher.close())
            await fetcher.close()

    async def test_close_of_an_unused_fetcher(self) -> None:
        """``close`` works, twice, on a fetcher that never fetched."""
        fetcher = self.made(self.make_fetcher(FetchLimits()))
        await fetcher.close()
        await fetcher.close()

    async def test_one_close_is_enough(self) -> None:
        """After a single ``close``, no task, thread, file descriptor or child process is left."""
        async with no_leaks():
            fetcher = self.made(self.make_fetcher(FetchLimits()))
            await self.assert_works(fetcher)
            await fetcher.close()

    async def test_use_after_close_is_an_error(self) -> None:
        """A fetch after ``close`` raises a ``FetchError`` before ``open`` yields."""
        source = await self.serve(Body(1000))
        async with self.opened() as fetcher:
            await self.assert_works(fetcher)
            await fetcher.close()
            done = await fetch(fetcher, source)
            assert_error(done, FetchError, "a fetch after close")
            assert done.fetched is None, "open after close gives something"

    @pytest.mark.parametrize("turns", [0, 1, 3, 10, 100])
    @pytest.mark.parametrize("fetches", [1, 12])
    async def test_close_while_it_fetches(self, fetches: int, turns: int) -> None:
        """``close`` ends running fetches, each with its whole body or with a ``FetchError``."""
        body = Body(min(3 * MIB + 5, self.largest_body))
        source = await self.serve(body)
        async with self.opened() as fetcher:
            tasks = [asyncio.create_task(fetch(fetcher, source)) for _ in range(fetches)]
            for _ in range(turns):
                await asyncio.sleep(0)
            await fetcher.close()
            await ended(*tasks)
            for task in tasks:
                _assert_ended(task, body)

    @pytest.mark.parametrize("flaw", [Flaw.SILENT, Flaw.STALLED, Flaw.DRIPPING])
    async def test_close_while_the_origin_is_slow(self, flaw: Flaw) -> None:
        """``close`` ends fetches that wait for a slow origin, each with a ``FetchError``."""
        source = await self.serve_with(flaw, Body(100_000))
        async with self.opened() as fetcher:
            tasks = [asyncio.create_task(fetch(fetcher, source)) for _ in range(3)]
            await asyncio.sleep(0.2)
            await fetcher.close()
            await ended(*tasks)
            for task in tasks:
                assert_error(task.result(), FetchError, f"{flaw}, and the fetcher closes")

    async def test_close_while_a_reader_rests(self) -> None:
        """After ``close``, a reader that paused gets the rest of the body, or a ``FetchError``."""
        body = Body(min(LONG, self.largest_body))
        source = await self.serve(body)
        async with self.opened() as fetcher:
            data = bytearray()
            error = await attempt(_read_across_close(fetcher, source, data))
            if error is None:  # what had arrived already may still be given, if it was all
                assert_bytes(bytes(data), body.whole(), "what passes as the whole after close")
            else:
                assert_error(Fetch(bytes(data), None, error), FetchError, "a read after close")

    async def test_a_cancelled_close_can_be_repeated(self) -> None:
        """After a cancelled ``close``, another ``close`` releases everything."""
        for nth in range(1, 100):
            async with self.opened() as fetcher:
                await self.assert_works(fetcher)
                driver = CancelAt(fetcher.close(), nth)
                _retrieve(await driver.run())
                await fetcher.close()
            if not driver.reached:
                return


async def _drain(fetcher: Fetcher, source: Source) -> None:
    """Read it whole and keep nothing."""
    async with fetcher.open(source) as fetched:
        async for piece in fetched.chunks:
            assert_piece(piece)


async def _cancelled_at(fetcher: Fetcher, source: Source, nth: int) -> bool:
    """Whether there were so many awaits that the fetch could be cancelled at the ``nth``."""
    driver = CancelAt(_drain(fetcher, source), nth)
    task = await driver.run()
    if driver.reached:
        assert task.cancelled(), f"cancelled at await {nth}, it ended with {task}"
    else:
        task.result()
    return driver.reached


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Look at how it ended, so that the loop does not complain that nobody did."""
    if not task.cancelled():
        task.exception()


def _assert_ended(task: "asyncio.Task[Fetch]", body: Body) -> None:
    """With the whole body, where it came just before the fetcher closed, or else with a proper error."""
    assert not task.cancelled(), "a fetch that nobody cancelled ends as cancelled"
    done = task.result()
    if done.error is None:
        assert_whole(done, body, "a fetch that ended before the fetcher closed")
    else:
        assert_error(done, FetchError, "a fetch under way when the fetcher closes")


async def _read_across_close(fetcher: Fetcher, source: Source, data: bytearray) -> None:
    async with fetcher.open(source) as fetched:
        data += await anext(fetched.chunks)
        await fetcher.close()
        async for piece in fetched.chunks:
            data += piece
