"""The cases of posting are held to account: the built-in fetcher, whose posting is broken in one way at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lading.plugins.capabilities import PostAnswer
from lading.plugins.contracts import Fetcher
from lading.plugins.errors import ConnectFailed, FetchError
from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.plugins.fetchers.http.options import HttpOptions
from lading.plugins.testing import FetchLimits, HttpFetcherSuite, leaks
from lading.plugins.testing.fetcher import support as fetcher_support
from lading.plugins.testing.fetcher.http.posting import PostingCases
from lading.plugins.testing.suite import run_case


class PutsInstead(HttpFetcher):
    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        return await super().post(url, headers, body + b"\n", timeout=timeout)


class Careless(HttpFetcher):
    """Posts by a client that takes no care."""

    def __init__(self, options: HttpOptions) -> None:
        super().__init__(options)
        self.asks: dict[str, Any] = {"allow_redirects": False}

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.post(url, headers=headers, data=body, **self.asks) as response:
                    return await self.answered(response)
            except (aiohttp.ClientError, ValueError) as error:
                raise ConnectFailed(str(error)) from error

    async def answered(self, response: aiohttp.ClientResponse) -> PostAnswer:
        return PostAnswer(response.status)


class FollowsRedirects(Careless):
    def __init__(self, options: HttpOptions) -> None:
        super().__init__(options)
        self.asks = {}


class ReadsTheAnswer(Careless):
    async def answered(self, response: aiohttp.ClientResponse) -> PostAnswer:
        await response.read()
        return PostAnswer(response.status)


class FailsByStatus(HttpFetcher):
    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        answer = await super().post(url, headers, body, timeout=timeout)
        if answer.status >= 400:
            raise FetchError("it was not accepted")
        return answer


class TellsTheUrl(HttpFetcher):
    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        try:
            return await super().post(url, headers, body, timeout=timeout)
        except ConnectFailed:
            raise ConnectFailed(url) from None


class Smuggles(HttpFetcher):
    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        lines = [line.partition(": ") for name, value in headers.items() for line in f"{name}: {value}".split("\n")]
        split = {name.strip(): value.strip() for name, _, value in lines}
        return await super().post(url, split, body, timeout=timeout)


@dataclass(frozen=True)
class Fault:
    fetcher: type[HttpFetcher]
    case: str
    arguments: tuple[object, ...] = ()
    says: str = ""

    def __str__(self) -> str:
        return f"{self.fetcher.__name__}-{self.case}"


FAULTS = [
    Fault(PutsInstead, "test_a_post_arrives_as_it_was_given", says="another body arrives"),
    Fault(FollowsRedirects, "test_posts_follow_no_redirect", says="a redirect with 301"),
    Fault(FailsByStatus, "test_every_status_is_an_answer", says="status 400"),
    Fault(Careless, "test_posts_tell_when_to_come_again", says="'17' is understood as"),
    Fault(Careless, "test_posts_are_refused_where_fetches_are", says="a post to"),
    Fault(Smuggles, "test_headers_of_posts_carry_no_others", says="smuggles another in"),
    Fault(Careless, "test_a_post_without_an_answer_ends_in_time", (b"",), "goes on and on"),
    Fault(ReadsTheAnswer, "test_an_answer_without_end_is_left", says="goes on and on"),
    Fault(TellsTheUrl, "test_a_post_tells_no_secrets", says="is in the error"),
    Fault(Careless, "test_closing_ends_posts_under_way", says="although its fetcher was closed"),
]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_suite_finds(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(fetcher_support, "PATIENCE", 0.5)

    class SuiteUnderTest(HttpFetcherSuite):
        def make_fetcher(self, limits: FetchLimits) -> Fetcher:
            return fault.fetcher(HttpOptions.model_validate({"allow_networks": "127.0.0.0/8", "ports": "1-65535"}))

    suite = SuiteUnderTest()
    suite.place = tmp_path
    with pytest.raises(AssertionError) as caught:
        run_case(suite, getattr(suite, fault.case)(*fault.arguments))
    assert fault.says in str(caught.value)


def test_every_case_has_found_something() -> None:
    assert {fault.case for fault in FAULTS} == {name for name in vars(PostingCases) if name.startswith("test_")}
