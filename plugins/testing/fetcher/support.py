"""The base of the fetcher suite: the harness that an author fills in, and the checks of fetches."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import pytest

from ...contracts import Fetched, Fetcher, Source
from ...errors import FetchError, SourceRefused
from ..bodies import ALBUM, ISSUER, MIB, ORGANIZATION, Body, assert_bytes
from ..judging import assert_well_formed, is_media_type
from ..suite import UNSUPPORTED, Suite, Told

LARGE: Final = 64_000_000
"""Size in bytes of the bodies that must not be held in memory whole."""

PATIENCE = 20.0
"""Seconds that a fetch may take longer than its limits say: on a busy machine all takes longer."""

ATTEMPTS: Final = 20
"""How often a fetch is tried that has little time: on a busy machine it may be too little once."""

MOST: Final = 16 * MIB
"""How much of a body ``fetch`` keeps; the bodies of its cases are smaller."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """The limits of a fetcher in a case.

    Attributes:
        max_bytes: longest body in bytes.
        seconds: seconds that the whole fetch may take.
        networks: the only addresses that the fetcher may connect to although they are not public; give them to
            ``NetworkOptions.allow_networks``. The kit listens on others, and sees who connects.
    """

    max_bytes: int = 128 * MIB
    seconds: float = 30.0
    networks: tuple[str, ...] = ("127.0.0.1/32",)


class Flaw(Told):
    """A flaw of an origin; ``told`` says what such an origin does."""

    MISSING = "missing", "It has no such object."
    DENIED = "denied", "It refuses access to the object."
    UNAVAILABLE = "unavailable", "It answers that it cannot serve at present."
    DOWN = "down", "Nothing listens where it should be."
    SILENT = "silent", "It accepts the connection and never answers."
    HANGS_UP = "hangs_up", "It accepts the connection and ends it without an answer."
    STALLED = "stalled", "It sends half of the body and then nothing, with the connection open."
    DRIPPING = "dripping", "It sends a byte now and then, without end."
    RESET = "reset", "It sends half of the body and resets the connection."
    TRUNCATED = "truncated", "It sends half of the body that it announced and ends in good order."
    ENDS_EARLY = (
        "ends_early",
        "It announces no size, sends half of the body, and ends every connection before it says that all is sent.",
    )
    FAILED_AFTER = (
        "failed_after",
        "It announces no size, sends half of the body in good order, and then says that it has failed.",
    )
    EMPTY = "empty", "It announces no size and sends an empty body."
    ENDLESS = "endless", "It sends and sends."
    TOO_LONG = "too_long", "It sends more than it announced."
    REDIRECT_LOOP = "redirect_loop", "It redirects in circles."
    LEADS_ELSEWHERE = (
        "leads_elsewhere",
        "It sends the fetcher on to the address self.forbidden: by a redirect, or as the address of a data connection.",
    )


@dataclass(frozen=True, slots=True)
class Fetch:
    """How a fetch went.

    Attributes:
        data: the bytes that it gave.
        fetched: what ``open`` gave, or None where it raised.
        error: what it ended with, or None where it came to the end of the body.
    """

    data: bytes
    fetched: Fetched | None
    error: Exception | None


class FetcherHarness(Suite):
    """The methods that an author defines, and the helpers that the cases use.

    Attributes:
        refused_urls: malformed or forbidden urls of the fetcher's own schemes, which ``check`` refuses; at least one.
        largest_body: size in bytes of the largest body that a source can have, if that is less than 64 MB.
        forbidden: host and port where an origin with ``Flaw.LEADS_ELSEWHERE`` sends the fetcher.
    """

    optional: ClassVar[frozenset[str]] = frozenset(Flaw)
    refused_urls: ClassVar[Sequence[str]]
    largest_body: ClassVar[int] = LARGE
    forbidden: tuple[str, int] = ("127.66.66.66", 9)

    @abstractmethod
    def make_fetcher(self, limits: FetchLimits) -> Fetcher:
        """Make a new fetcher with these limits, for up to eight fetches at once, inside the running event loop."""

    @abstractmethod
    async def serve(self, body: Body) -> Source:
        """Serve the body under a url of its own, and return its source."""

    @abstractmethod
    async def serve_flawed(self, flaw: Flaw, body: Body) -> Source:
        """Serve the body with the flaw; see ``Flaw.told``. The kit never calls it for a flaw in ``unsupported``."""

    @asynccontextmanager
    async def opened(self, limits: FetchLimits | None = None) -> AsyncIterator[Fetcher]:
        """A fetcher; it is closed on exit."""
        fetcher = self.made(self.make_fetcher(limits or FetchLimits()))
        try:
            yield fetcher
        finally:
            await fetcher.close()

    def body(self, size: int, seed: int = 0) -> Body:
        """A body of so many bytes; the case is skipped where a source cannot have as many."""
        if size > self.largest_body:
            pytest.skip(f"{UNSUPPORTED}large bodies: its sources have at most {self.largest_body} bytes")
        return Body(size, seed)

    async def serve_with(self, flaw: Flaw, body: Body) -> Source:
        """``serve_flawed``, or the case is skipped where the flaw cannot be."""
        self.require(flaw)
        return await self.serve_flawed(flaw, body)

    @property
    def flaws(self) -> Sequence[Flaw]:
        """Those that the origin can have."""
        return [flaw for flaw in Flaw if self.lacks(flaw) is None]

    async def assert_works(self, fetcher: Fetcher, attempts: int = 1) -> None:
        """The fetcher is in order: it still fetches, if need be at a later attempt."""
        body = Body(min(1000, self.largest_body), seed=99)
        source = await self.serve(body)
        for _ in range(attempts):
            done = await fetch(fetcher, source)
            if not isinstance(done.error, FetchError) or not done.error.retryable:
                break
        assert_whole(done, body, "a plain source")


# --- fetching ---------------------------------------------------------------------------------------------------------


async def fetch(fetcher: Fetcher, source: Source, seconds: float = FetchLimits().seconds) -> Fetch:
    """Fetch the source whole, for an organisation, an issuer and an album.

    Args:
        fetcher: what to fetch with.
        source: what to fetch.
        seconds: how long it may take by the fetcher's limits.

    Raises:
        AssertionError: a piece is none, there are more than ``MOST`` bytes, or it goes on long past its limits.
    """
    source = replace(source, organization_id=ORGANIZATION, issuer_id=ISSUER, album_id=ALBUM)
    data = bytearray()
    fetched = None
    timeout = asyncio.timeout(seconds + PATIENCE)
    try:
        async with timeout, fetcher.open(source) as fetched:
            async for piece in fetched.chunks:
                assert_piece(piece)
                data += piece
                assert len(data) <= MOST, f"it goes on and on: {len(data)} bytes and no end"
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001 - the caller judges it
        assert not timeout.expired(), f"a fetch that may take {seconds:g} s goes on and on"
        return Fetch(bytes(data), fetched, error)
    return Fetch(bytes(data), fetched, None)


async def ended(*tasks: asyncio.Task[Fetch] | asyncio.Task[None]) -> None:
    """Wait until they are done, which is to be soon."""
    _, pending = await asyncio.wait(tasks, timeout=PATIENCE)
    for task in pending:
        task.cancel()
    assert not pending, f"{len(pending)} of {len(tasks)} fetches go on"


def assert_piece(piece: bytes) -> None:
    """It is one that ``Fetched.chunks`` may give."""
    assert isinstance(piece, bytes), f"a piece of the body is of type {type(piece).__name__}"
    assert piece, "a piece of the body is empty"
    assert len(piece) <= MIB, f"a piece of the body has {len(piece)} bytes"


# --- judging ----------------------------------------------------------------------------------------------------------


def assert_whole(done: Fetch, body: Body, what: str) -> None:
    """The fetch gave the body, byte for byte."""
    assert done.error is None, f"{what}: {_named(done.error)}"
    assert_bytes(done.data, body.whole(), what)


def assert_error(
    done: Fetch,
    classes: type[FetchError] | tuple[type[FetchError], ...],
    what: str,
    *,
    retryable: bool | None = None,
) -> FetchError:
    """The fetch ended with an error of the classes, or of a subclass; ``retryable`` says which, if it matters."""
    names = classes.__name__ if isinstance(classes, type) else " or ".join(one.__name__ for one in classes)
    assert done.error is not None, f"{what}: {len(done.data)} bytes were given as the whole, instead of {names}"
    assert isinstance(done.error, classes), f"{what}: {_named(done.error)} instead of {names}"
    assert_well_formed(done.error, what)
    if isinstance(done.error, SourceRefused):
        assert not done.error.retryable, f"{what}: what is refused for good is to be tried again: {_named(done.error)}"
    if retryable is not None:
        promise = "another attempt is promised" if done.error.retryable else "no other attempt is promised"
        assert done.error.retryable is retryable, f"{what}: {promise}: {_named(done.error)}"
    return done.error


def assert_beginning(done: Fetch, body: Body, what: str) -> None:
    """What the fetch gave is the body's beginning."""
    assert body.whole().startswith(done.data), f"{what}: other bytes than were sent"


def assert_announced(fetched: Fetched, what: str) -> None:
    """Every value is of its type and plausible."""
    assert isinstance(fetched, Fetched), f"{what}: open gives {fetched!r}"
    assert isinstance(fetched.chunks, AsyncIterator), f"{what}: chunks is {fetched.chunks!r}"
    length, media_type, filename = fetched.content_length, fetched.content_type, fetched.filename
    assert length is None or (type(length) is int and length >= 0), f"{what}: content_length is {length!r}"
    for text in (media_type, filename, fetched.etag, fetched.last_modified):
        assert text is None or isinstance(text, str), f"{what}: {text!r} is neither text nor None"
        assert text is None or (text.strip() and text.isprintable()), f"{what}: {text!r} is no text to show"
    assert media_type is None or is_media_type(media_type), f"{what}: {media_type!r} is no bare lower-case media type"
    if filename is not None:
        assert not {"/", "\\"} & set(filename), f"{what}: the filename {filename!r} is a path"
        assert filename not in {".", ".."}, f"{what}: the filename {filename!r} is a path"


def _named(error: Exception | None) -> str:
    return f"{type(error).__name__} ({error})"
