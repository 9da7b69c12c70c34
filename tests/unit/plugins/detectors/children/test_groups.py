"""Calls that share exchanges with a child end as if each had been alone."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from lading.plugins.detectors.pillow.pool.children import ChildDied, ChildPool
from lading.plugins.detectors.pillow.pool.groups import MAX_GROUP, Groups
from lading.plugins.host.turns import on_behalf_of
from lading.plugins.testing.leaks import no_leaks
from tests.unit.plugins.detectors.harness import children, linux

pytestmark = linux

CHILD = """
import json, os, sys, time
for line in sys.stdin:
    answers = []
    for path in json.loads(line):
        if path == "die":
            os._exit(3)
        if path == "hang":
            time.sleep(60)
        answers.append(json.dumps([path, json.loads(line)]))
        if path.startswith("slow"):
            break
    print(*answers, sep="\\t", flush=True)
"""
"""Answers with the path and all paths of the exchange; after a slow one its time is up."""


@asynccontextmanager
async def groups(processes: int = 1) -> AsyncIterator[Groups]:
    async with no_leaks():
        pool = ChildPool(
            (sys.executable, "-c", CHILD),
            environment={},
            first_line=b'["first"]\n',
            processes=processes,
            recycle_after=1000,
            max_line=100_000,
        )
        asked = Groups(pool, lambda paths: json.dumps(list(paths)).encode() + b"\n", 30)
        try:
            yield asked
            assert not asked._waiting
        finally:
            await pool.close()


async def all_of(asked: Groups, paths: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The answers about the paths, in their order: the path, and the paths of its exchange."""
    return [tuple(json.loads(reply)) for reply in await asyncio.gather(*map(asked.call, paths))]


def named(name: str, count: int) -> list[str]:
    return [f"{name}{number}" for number in range(count)]


@pytest.mark.gen_test(timeout=30)
async def test_calls_that_wait_together_share_exchanges() -> None:
    paths = named("file", 2 * MAX_GROUP + 3)
    async with groups() as asked:
        found = await all_of(asked, paths)
    assert [path for path, _ in found] == paths
    assert {len(shared) for _, shared in found} == {MAX_GROUP, 3}


@pytest.mark.gen_test(timeout=30)
async def test_free_children_share_the_calls() -> None:
    async with groups(processes=2) as asked:
        found = await all_of(asked, named("file", 8))
    assert max(len(shared) for _, shared in found) == 4


@pytest.mark.gen_test(timeout=30)
async def test_issuers_share_no_exchange() -> None:
    async with groups() as asked:
        tasks = []
        for issuer in ("one", "other"):
            with on_behalf_of(issuer):
                tasks.append(asyncio.create_task(all_of(asked, named(issuer, 5))))
        found = [*await tasks[0], *await tasks[1]]
    assert len(found) == 10
    for path, shared in found:
        assert {one[:-1] for one in shared} == {path[:-1]}


@pytest.mark.gen_test(timeout=30)
async def test_files_for_which_there_was_no_time_are_asked_about_again_in_their_order() -> None:
    paths = [*named("slow", 2), *named("file", MAX_GROUP)]
    async with groups() as asked:
        found = await all_of(asked, paths)
    assert [path for path, _ in found] == paths
    assert found[1][1][0] == "slow1", "not behind the calls that came later"


@pytest.mark.gen_test(timeout=30)
async def test_a_file_that_ends_its_child_fails_its_own_call_alone() -> None:
    paths = [*named("file", 3), "die", *named("more", 3)]
    async with groups() as asked:
        found = await asyncio.gather(*map(asked.call, paths), return_exceptions=True)
        assert len(children()) == 1
    assert type(found[3]) is ChildDied
    for path, reply in zip(paths, found, strict=True):
        if path != "die":
            assert isinstance(reply, bytes), reply
            assert json.loads(reply) == [path, [path]], "it was asked about alone"


@pytest.mark.gen_test(timeout=30)
async def test_cancelled_calls_leave_the_others_theirs() -> None:
    async with groups() as asked:
        tasks = [asyncio.create_task(asked.call(path)) for path in named("file", 5)]
        await asyncio.sleep(0)
        for task in tasks[1:4]:
            task.cancel()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [False, True, True, True, False]
        assert json.loads(tasks[4].result()) == ["file4", ["file0", "file4"]]


@pytest.mark.gen_test(timeout=30)
async def test_an_exchange_that_nobody_waits_for_ends_with_its_child() -> None:
    async with groups() as asked:
        await asked.call("file")
        (child,) = children()
        tasks = [asyncio.create_task(asked.call("hang")) for _ in range(3)]
        await asyncio.sleep(0)
        while asked._waiting:  # until the child has them
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
            task.cancel()
        await asyncio.wait(tasks)
        assert child not in children()
        assert json.loads(await asked.call("file")) == ["file", ["file"]]


@pytest.mark.gen_test(timeout=30)
async def test_calls_may_be_cancelled_at_any_point() -> None:
    async with groups(processes=2) as asked:
        for turns in range(30):
            tasks = [asyncio.create_task(asked.call(f"file{number}")) for number in range(6)]
            for task in tasks:
                for _ in range(turns % 5):
                    await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait(tasks)
        assert [path for path, _ in await all_of(asked, named("file", 3))] == named("file", 3)


@pytest.mark.gen_test(timeout=30)
async def test_calls_for_which_no_child_can_be_started_fail_and_leave_nothing() -> None:
    async with groups() as asked:
        asked._pool._command = ("/missing",)
        found = await asyncio.gather(*(asked.call("file") for _ in range(3)), return_exceptions=True)
        assert all("no process could be started" in str(error) for error in found)
        asked._pool._command = (sys.executable, "-c", CHILD)
        assert json.loads(await asked.call("file")) == ["file", ["file"]]


@pytest.mark.gen_test(timeout=30)
async def test_calls_whose_question_cannot_be_made_fail_and_leave_nothing() -> None:
    def fails(_paths: Sequence[str]) -> bytes:
        raise ValueError("no question")

    async with groups() as asked:
        broken = Groups(asked._pool, fails, 30)
        replies = await asyncio.gather(*map(broken.call, named("file", 3)), return_exceptions=True)
        assert [str(reply) for reply in replies] == ["no question"] * 3
        assert not broken._waiting
