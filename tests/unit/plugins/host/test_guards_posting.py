"""The guard around fetchers that post."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from lading.plugins.capabilities import PostAnswer
from lading.plugins.errors import ConnectFailed, DeadlineExceeded, PluginFault, StorageUnavailable
from lading.plugins.host.guards import GuardedFetcher
from tests.support.plugins.scripted import ScriptedFetcher
from tests.support.sending import PostingFetcher


def guarded(fetcher: ScriptedFetcher) -> GuardedFetcher:
    return GuardedFetcher(fetcher, "scripted", 10, concurrency=2)


async def post(fetcher: GuardedFetcher, timeout: float = 5) -> PostAnswer:
    assert fetcher.poster is not None
    return await fetcher.poster.post("test://a/", {}, b"{}", timeout=timeout)


@pytest.mark.gen_test
async def test_an_answer_and_an_error_of_a_fetch_pass() -> None:
    fetcher = PostingFetcher()
    fetcher.answers = [PostAnswer(503, 7.0), ConnectFailed("down")]
    assert await post(guarded(fetcher)) == PostAnswer(503, 7.0)
    with pytest.raises(ConnectFailed, match=r"\[scripted\]"):
        await post(guarded(fetcher))


@pytest.mark.parametrize("error", [RuntimeError("d41d8cd98f"), StorageUnavailable()])
@pytest.mark.gen_test
async def test_other_errors_are_faults_of_the_plugin(error: Exception) -> None:
    fetcher = PostingFetcher()
    fetcher.answers = [error]
    with pytest.raises(PluginFault) as caught:
        await post(guarded(fetcher))
    assert "d41d8cd98f" not in str(caught.value)


@pytest.mark.gen_test
async def test_what_is_no_answer_is_a_fault() -> None:
    class Odd(PostingFetcher):
        async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> Any:
            return 200

    with pytest.raises(PluginFault, match="post gave int"):
        await post(guarded(Odd()))


@pytest.mark.gen_test
async def test_one_that_hangs_is_left_and_holds_up_no_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.plugins.host.guards.POST_GRACE", 0.05)
    now = peak = 0

    class Hanging(PostingFetcher):
        async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
            nonlocal now, peak
            now += 1
            peak = max(now, peak)
            try:
                await asyncio.Event().wait()
            finally:
                now -= 1
            raise AssertionError

    fetcher = guarded(Hanging())
    results = await asyncio.gather(*(post(fetcher, 0.05) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in results] == [DeadlineExceeded] * 5
    assert (now, peak) == (0, 2)


@pytest.mark.gen_test
async def test_who_cannot_post_has_no_poster() -> None:
    assert guarded(ScriptedFetcher()).poster is None
