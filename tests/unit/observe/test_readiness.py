"""Whether the parts answer."""

import asyncio

import pytest

from lading.plugins.errors import StorageUnavailable
from lading.service.observe.readiness import Readiness


class Part:
    """A part that works, fails or hangs, and counts its probes."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.hangs = False
        self.probes = 0
        self.cancelled = 0

    async def ping(self) -> None:
        self.probes += 1
        try:
            await (asyncio.Event().wait() if self.hangs else asyncio.sleep(0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error


@pytest.mark.gen_test
async def test_the_parts_that_fail_are_named_in_their_order() -> None:
    good, bad, worse = Part(), Part(StorageUnavailable("full")), Part(RuntimeError())
    assert await Readiness({"a": good.ping, "b": bad.ping, "c": worse.ping}).failing() == ("b", "c")
    assert await Readiness({"a": good.ping}).failing() == ()
    assert await Readiness({}).failing() == ()


@pytest.mark.gen_test
async def test_a_part_that_hangs_is_not_ready_and_is_not_left_hanging() -> None:
    part = Part()
    part.hangs = True
    assert await Readiness({"storage": part.ping}, timeout=0.01).failing() == ("storage",)
    assert (part.probes, part.cancelled) == (1, 1)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.gen_test
async def test_however_many_ask_a_part_is_probed_once_in_a_while() -> None:
    good, bad = Part(), Part(RuntimeError("broken"))
    readiness = Readiness({"good": good.ping, "bad": bad.ping}, max_age=3600)
    answers = await asyncio.gather(*(readiness.failing() for _ in range(100)))
    assert set(answers) == {("bad",)}
    assert (good.probes, bad.probes) == (1, 1)


@pytest.mark.gen_test
async def test_a_part_that_recovers_is_ready_again() -> None:
    part = Part(RuntimeError("broken"))
    readiness = Readiness({"part": part.ping}, max_age=0)
    assert await readiness.failing() == ("part",)
    part.error = None
    assert await readiness.failing() == ()


@pytest.mark.gen_test
async def test_a_cancelled_question_blocks_no_other() -> None:
    part = Part()
    part.hangs = True
    readiness = Readiness({"part": part.ping}, timeout=3600)
    first = asyncio.create_task(readiness.failing())
    second = asyncio.create_task(readiness.failing())
    while not part.probes:
        await asyncio.sleep(0)
    part.hangs = False
    first.cancel()
    assert await second == ()
    assert first.cancelled()
    assert (part.probes, part.cancelled) == (2, 1)


@pytest.mark.gen_test
async def test_a_part_that_nobody_needs_is_told_of_and_keeps_nobody_from_being_ready() -> None:
    good, bad = Part(), Part(StorageUnavailable("full"))
    readiness = Readiness({"good": good.ping}, others={"bad": bad.ping})
    assert await readiness.failing() == ()
    (works, fails) = await readiness.parts()
    assert (works.name, works.works, works.is_required, works.reason) == ("good", True, True, "")
    assert (fails.name, fails.works, fails.is_required) == ("bad", False, False)
    assert "full" in fails.reason
    assert works.seconds >= 0


@pytest.mark.gen_test
async def test_one_readiness_within_another_shares_its_probes() -> None:
    inner_part, outer_part = Part(RuntimeError("broken")), Part()
    inner = Readiness({"inner": inner_part.ping}, max_age=3600)
    outer = Readiness({"outer": outer_part.ping}, max_age=3600, within=inner)
    assert await inner.failing() == ("inner",)
    assert [part.name for part in await outer.parts()] == ["inner", "outer"]
    assert await outer.failing() == ("inner",)
    assert (inner_part.probes, outer_part.probes) == (1, 1)
