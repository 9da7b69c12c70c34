"""Cases of the HTTP suite: posting, for fetchers that can (``lading.plugins.capabilities.SupportsPosting``)."""

import asyncio
import traceback
from collections.abc import Mapping
from typing import Final

import pytest

from ....capabilities import PostAnswer, SupportsPosting
from ....contracts import Fetcher
from ....errors import FetchError, SourceRefused
from ...origin import answer, head, redirect, repeat, stall
from ...suite import UNSUPPORTED
from .. import support as fetcher_support
from .requests import FORBIDDEN, INJECTIONS, SECRET
from .support import HttpHarness

HEADERS: Final = {"Content-Type": "application/json", "webhook-id": "evt_1"}
SENT: Final = b'{"type":"ping","data":{"name":"\xc3\x9cbung"}}'


class PostingCases(HttpHarness):
    """A request goes where a fetch may go, once or twice, and ends in time."""

    def poster(self, fetcher: Fetcher) -> SupportsPosting:
        """What posts; the case is skipped where nothing does."""
        if not isinstance(fetcher, SupportsPosting):
            pytest.skip(f"{UNSUPPORTED}posting: {self.subject} is no SupportsPosting")
        return fetcher

    async def posted(
        self, fetcher: Fetcher, url: str, headers: Mapping[str, str] = HEADERS, *, timeout: float = 5.0
    ) -> PostAnswer | FetchError:
        """What became of a request, which must not go on long past its time."""
        try:
            async with asyncio.timeout(timeout + fetcher_support.PATIENCE) as patience:
                answered = await self.poster(fetcher).post(url, headers, SENT, timeout=timeout)
        except FetchError as error:
            return error
        except TimeoutError:
            assert not patience.expired(), f"a post to {url} goes on and on"
            raise
        assert isinstance(answered, PostAnswer), f"post gave {type(answered).__name__}"
        return answered

    async def test_a_post_arrives_as_it_was_given(self) -> None:
        """A POST arrives with exactly its target, headers and body."""
        url = self.route(answer(b"thanks", 202)) + "?a=b&c"
        async with self.opened() as fetcher:
            assert await self.posted(fetcher, url) == PostAnswer(202)
        (request,) = self.origin.requests
        assert request.method == "POST", f"the method is {request.method}"
        assert request.target == url.removeprefix(self.origin.url("")), "another path or query is asked for"
        assert request.body == SENT, "another body arrives"
        for name, value in HEADERS.items():
            assert request.headers.get(name.lower()) == value, f"{name} does not arrive"

    async def test_posts_follow_no_redirect(self) -> None:
        """A redirect is the answer to a POST; the fetcher does not follow it."""
        async with self.opened() as fetcher:
            for status in (301, 302, 303, 307, 308):
                there = self.elsewhere.url("/there")
                answered = await self.posted(fetcher, self.route(redirect(there, status)))
                assert answered == PostAnswer(status), f"a redirect with {status}: {answered!r}"
        assert self.elsewhere.connections == 0, "a redirect is followed"

    async def test_every_status_is_an_answer(self) -> None:
        """Each status comes back as an answer, error statuses too."""
        async with self.opened() as fetcher:
            for status in (200, 204, 400, 404, 410, 500):
                answered = await self.posted(fetcher, self.route(answer(b"", status)))
                assert answered == PostAnswer(status), f"status {status}: {answered!r}"

    async def test_posts_tell_when_to_come_again(self) -> None:
        """A valid ``Retry-After`` becomes the answer's ``retry_after``."""
        async with self.opened() as fetcher:
            for text, seconds in (("17", 17.0), ("soon", None), ("-5", None)):
                url = self.route(answer(b"", 503, {"Retry-After": text}))
                answered = await self.posted(fetcher, url)
                assert answered == PostAnswer(503, seconds), f"{text!r} is understood as {answered!r}"

    async def test_posts_are_refused_where_fetches_are(self) -> None:
        """A POST to a url that ``check`` refuses raises ``SourceRefused``."""
        async with self.opened() as fetcher:
            for url in (*self.refused_urls, *FORBIDDEN):
                refused = await self.posted(fetcher, url)
                assert isinstance(refused, SourceRefused), f"a post to {url}: {refused!r}"

    async def test_headers_of_posts_carry_no_others(self) -> None:
        """Line breaks in a header of a POST never smuggle in another header."""
        url = self.route(answer())
        async with self.opened() as fetcher:
            for name, value in INJECTIONS.items():
                done = await self.posted(fetcher, url, {name: value})
                assert isinstance(done, PostAnswer | SourceRefused), f"{name!r}: {done!r}"
        assert not [one for one in self.origin.requests if "x-smuggled" in one.headers], "a header smuggles another in"

    @pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["nothing", "half a head"])
    async def test_a_post_without_an_answer_ends_in_time(self, sent: bytes) -> None:
        """A POST without a complete response ends with a retryable ``FetchError`` at its timeout."""
        async with self.opened() as fetcher:
            failed = await self.posted(fetcher, self.route(stall(sent)), timeout=0.3)
            assert isinstance(failed, FetchError), f"no answer came, and yet: {failed!r}"
            assert failed.retryable, "no other attempt is promised"
            assert await self.posted(fetcher, self.route(answer())) == PostAnswer(200)

    async def test_an_answer_without_end_is_left(self) -> None:
        """The fetcher does not read an endless body of a response to a POST."""
        async with self.opened() as fetcher:
            url = self.route(repeat(head(), b"x" * 65536))
            assert await self.posted(fetcher, url) == PostAnswer(200)

    async def test_a_post_tells_no_secrets(self) -> None:
        """The error of a failed POST contains neither the query nor the value of a header."""
        async with self.opened() as fetcher:
            down = f"http://127.0.0.1:{self._down_port}/hook?token={SECRET}"
            failed = await self.posted(fetcher, down, {**HEADERS, "X-Key": SECRET})
            assert isinstance(failed, FetchError), f"nobody is there, and yet: {failed!r}"
            shown = "".join(traceback.format_exception(failed))
            assert SECRET not in shown, "the query or a header is in the error"

    async def test_closing_ends_posts_under_way(self) -> None:
        """``close`` ends a running POST with a ``FetchError``."""
        async with self.opened() as fetcher:
            task = asyncio.create_task(self.posted(fetcher, self.route(stall()), timeout=30))
            while not self.origin.requests and not task.done():  # noqa: ASYNC110  # the origin is in another thread
                await asyncio.sleep(0.01)
            await fetcher.close()
            done, _ = await asyncio.wait({task}, timeout=fetcher_support.PATIENCE)
            if not done:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                raise AssertionError("a post goes on although its fetcher was closed")
            assert isinstance(task.result(), FetchError), f"closed, and yet: {task.result()!r}"
