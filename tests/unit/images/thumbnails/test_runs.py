"""Callers share a run."""

import asyncio

import pytest

from lading.service.images.thumbnails.runs import Shared


class Work:
    """Gives a number when it is told to, or fails."""

    def __init__(self) -> None:
        self.runs = 0
        self.gate = asyncio.Event()
        self.fault: Exception | None = None

    async def __call__(self) -> int:
        self.runs += 1
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return self.runs


@pytest.mark.gen_test
async def test_one_run_for_all_who_wait_and_another_one_afterwards() -> None:
    shared, work, other = Shared[int](), Work(), Work()
    waiting = [asyncio.create_task(shared.run("a", work)) for _ in range(5)]
    apart = asyncio.create_task(shared.run("b", other))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work.gate.set()
    other.gate.set()
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await apart == 1
    assert await shared.run("a", work) == 2


@pytest.mark.gen_test
async def test_a_caller_that_leaves_ends_nothing_and_a_fault_is_told_to_all() -> None:
    shared, work = Shared[int](), Work()
    first, second = (asyncio.create_task(shared.run("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    work.gate.set()
    assert (first.cancelled(), await second, work.runs) == (True, 1, 1)
    work.fault = ValueError("no")
    for waiting in [asyncio.create_task(shared.run("a", work)) for _ in range(3)]:
        with pytest.raises(ValueError, match="no"):
            await waiting
    assert work.runs == 2


@pytest.mark.gen_test
async def test_a_fault_that_nobody_waits_for_is_no_complaint() -> None:
    shared, work = Shared[int](), Work()
    only = asyncio.create_task(shared.run("a", work))
    await asyncio.sleep(0)
    only.cancel()
    await asyncio.wait([only])
    work.fault = ValueError("nobody sees it")
    work.gate.set()
    while shared._runs:
        await asyncio.sleep(0)
