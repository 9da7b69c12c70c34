"""Cases of the fetcher suite: ``check``, and what it refuses."""

import asyncio
import time
from dataclasses import replace

from ...contracts import Fetcher, Source
from ...errors import SourceRefused
from ..bodies import Body
from ..judging import assert_well_formed
from .support import FetcherHarness, fetch

QUICK_SECONDS = 0.01
"""CPU time that one ``check`` may take, as the contract says."""

SECONDS = 0.5
"""The limit of fetches from origins that may take for ever."""

_RESTS = [
    "",
    "/",
    "//",
    "///",
    "////etc/passwd",
    "//[",
    "//[]/",
    "//[::1",
    "//[::1%25lo]/a",
    "//[v1.x]/a",
    "//host:/a",
    "//host:-1/a",
    "//host:99999/a",
    "//host:٣/a",
    "//host:80:80/a",
    "//@/a",
    "//:@/a",
    "//a@b@c/a",
    "//%/a",
    "//%zz/a",
    "//%00/a",
    "//host/%",
    "//host/%00",
    "//host/\0",
    "//host/\r\nHost: elsewhere",
    "//host/a b",
    "//host\\@elsewhere/a",
    "//\ud800/a",
    "//host/\ud800",
    "//\N{FULLWIDTH FULL STOP}/a",
    "//\N{IDEOGRAPHIC FULL STOP}./a",
    "//xn--/a",
    "//xn--a\N{LATIN SMALL LETTER SHARP S}/a",
    "//" + "a" * 64 + ".example/a",
    "//" + "a." * 200 + "/a",
    "//host/" + "../" * 50 + "etc/passwd",
    "//host/" + "a" * 100_000,
    "//host/?" + "a=b&" * 20_000,
    "//0x7f.1/a",
    "//2130706433/a",
    ",",
    ";base64",
    ";base64,!",
    "\N{BOM}//host/a",
    " //host/a",
    "//host/a\N{RIGHT-TO-LEFT OVERRIDE}",
]
"""What may follow a scheme and its colon in a stranger's url."""

_HEADERS = [
    ("", "x"),
    ("X-A:", "x"),
    ("X A", "x"),
    ("X-\r\nHost", "x"),
    ("X-A", "x\r\nX-Smuggled: y"),
    ("X-A", "x\0"),
    ("X-A", "\ud800"),
    ("X-Ä", "x"),
    ("X-A", "\N{SNOWMAN}"),
    ("Content-Length", "-1"),
    ("Transfer-Encoding", "chunked"),
    ("Host", "elsewhere"),
    ("X-A", "x" * 1_000_000),
]


class RefusingCases(FetcherHarness):
    async def test_check_accepts_what_an_origin_may_have(self) -> None:
        """``check`` accepts every source that only the origin can tell to be flawed."""
        async with self.opened() as fetcher:
            fetcher.check(await self.serve(Body(1000)))
            for flaw in self.flaws:  # what is wrong with an origin cannot be seen without asking it
                fetcher.check(await self.serve_flawed(flaw, Body(1000)))

    async def test_check_is_quick(self) -> None:
        """``check`` takes at most 10 ms of CPU time."""
        sources = [await self.serve(Body(min(200_000, self.largest_body))), *map(Source, self.refused_urls)]
        async with self.opened() as fetcher:
            for source in sources:
                seconds = min(_cpu_seconds(fetcher, source) for _ in range(20))
                assert seconds < QUICK_SECONDS, f"check takes {seconds * 1000:.1f} ms of CPU"

    async def test_check_starts_nothing(self) -> None:
        """``check`` starts no task."""
        source = await self.serve(Body(1000))
        async with self.opened() as fetcher:
            before = asyncio.all_tasks()
            for _ in range(100):
                fetcher.check(source)
            assert asyncio.all_tasks() == before, "check starts a task"

    async def test_check_refuses(self) -> None:
        """``check`` raises a ``SourceRefused`` that is not retryable for each url in ``refused_urls``."""
        async with self.opened() as fetcher:
            assert self.refused_urls, "there is nothing that the fetcher refuses"
            for url in self.refused_urls:
                error = refusal(fetcher, Source(url))
                assert error is not None, f"check accepts {url!r}"
                assert_well_formed(error, url)
                assert not error.retryable, f"{url}: what is refused for good is to be tried again: {error!r}"

    async def test_open_repeats_the_check(self) -> None:
        """``open`` raises the same class of error for each url in ``refused_urls``."""
        async with self.opened() as fetcher:
            for url in self.refused_urls:
                done = await fetch(fetcher, Source(url))
                assert done.fetched is None, f"open accepts {url!r}"
                assert type(done.error) is type(refusal(fetcher, Source(url))), f"{url!r}: {done.error!r}"

    async def test_strange_urls(self) -> None:
        """``check`` accepts or refuses malformed urls without another exception, and ``open`` agrees."""
        async with self.opened() as fetcher:
            strange = [f"{scheme}:{rest}" for scheme in sorted(fetcher.schemes) for rest in _RESTS]
            for url in ("", ":", "\0", "//host/a", "nonsense", *strange):
                await self.assert_same_refusal(fetcher, Source(url), repr(url[:60]))
            await self.assert_works(fetcher)

    async def test_strange_headers(self) -> None:
        """``check`` accepts or refuses odd headers without another exception, and ``open`` agrees."""
        source = await self.serve(Body(1000))
        async with self.opened() as fetcher:
            for name, value in _HEADERS:
                strange = replace(source, headers={name: value})
                await self.assert_same_refusal(fetcher, strange, f"the header {name!r}: {value[:30]!r}")
            many = replace(source, headers={f"X-{number}": "x" for number in range(10_000)})
            await self.assert_same_refusal(fetcher, many, "10,000 headers")

    async def assert_same_refusal(self, fetcher: Fetcher, source: Source, what: str) -> None:
        """``check`` accepts it, or refuses it as it should; then so does ``open``. What is accepted is not opened."""
        error = refusal(fetcher, source, what)
        if error is not None:
            assert_well_formed(error, what)
            done = await fetch(fetcher, source)
            assert type(done.error) is type(error), f"{what}: check raises {error!r}, and open {done.error!r}"


def refusal(fetcher: Fetcher, source: Source, what: str = "") -> SourceRefused | None:
    """What ``check`` raises, or None.

    Raises:
        AssertionError: it returned something, or raised anything else.
    """
    try:
        answer: object = fetcher.check(source)
    except SourceRefused as error:
        return error
    except Exception as error:
        raise AssertionError(f"{what or source.url[:60]!r}: check raises {error!r}") from error
    assert answer is None, f"check gives {answer!r}"
    return None


def _cpu_seconds(fetcher: Fetcher, source: Source) -> float:
    began = time.thread_time()
    refusal(fetcher, source)
    return time.thread_time() - began
