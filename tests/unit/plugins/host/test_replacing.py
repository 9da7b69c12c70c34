"""A fetcher that another one replaces while it is in use."""

import asyncio

import pytest

from lading.plugins.errors import SourceRefused
from lading.plugins.host.guards import GuardedFetcher
from lading.plugins.testing.leaks import no_leaks
from tests.support.plugins.misbehaviour import SOURCE, read
from tests.support.plugins.scripted import ScriptedFetcher, pieces, until


class Denying(ScriptedFetcher):
    """Refuses everything."""

    def check(self, source: object) -> None:
        raise SourceRefused("denied")


@pytest.mark.gen_test
async def test_a_fetch_that_runs_keeps_the_old_fetcher_which_then_closes() -> None:
    old, new = ScriptedFetcher(), Denying()
    old.chunks = lambda _: pieces(b"old", b"er")
    new.chunks = lambda _: pieces(b"new")
    async with no_leaks():
        guard = GuardedFetcher(old, "scripted", 5)
        guard.check(SOURCE)
        async with guard.open(SOURCE) as fetched:
            assert await anext(fetched.chunks) == b"old"
            guard.replace(new)
            assert await read(guard) == b"new"
            with pytest.raises(SourceRefused):
                guard.check(SOURCE)
            assert old.closed == 0
            assert await anext(fetched.chunks) == b"er"
        await until(lambda: old.closed == 1)
        assert new.closed == 0
        await guard.close()
    assert (old.closed, new.closed) == (1, 1)


@pytest.mark.gen_test
async def test_a_fetcher_that_nobody_uses_closes_at_once_and_the_end_waits_for_it() -> None:
    gate = asyncio.Event()

    class Slow(ScriptedFetcher):
        async def close(self) -> None:
            await gate.wait()
            await super().close()

    old, new = Slow(), ScriptedFetcher()
    async with no_leaks():
        guard = GuardedFetcher(old, "scripted", 5)
        guard.replace(new)
        closing = asyncio.create_task(guard.close())
        await until(lambda: new.closed == 1)
        assert not closing.done()
        gate.set()
        await closing
    assert old.closed == 1


@pytest.mark.gen_test
async def test_a_fetcher_that_does_not_close_disturbs_nobody() -> None:
    class Faulty(ScriptedFetcher):
        async def close(self) -> None:
            raise RuntimeError("it stays open")

    guard = GuardedFetcher(Faulty(), "scripted", 5)
    guard.replace(new := ScriptedFetcher())
    new.chunks = lambda _: pieces(b"new")
    assert await read(guard) == b"new"
    await guard.close()
