"""What the fetcher suite is made of: the limits and flaws that cases ask for, and what an author fills in."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import ClassVar

from plugins.contracts import Fetcher, Source
from plugins.testing.bodies import MIB, Body
from plugins.testing.suite import Suite


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """The limits that a case wants a fetcher to have.

    Attributes:
        max_bytes: longest body.
        seconds: how long the whole fetch may take.
    """

    max_bytes: int = 128 * MIB
    seconds: float = 30.0


class Flaw(StrEnum):
    """What may be wrong with an origin."""

    MISSING = auto()
    """It has no such object."""
    DENIED = auto()
    """It refuses access to the object."""
    UNAVAILABLE = auto()
    """It answers that it cannot serve at present."""
    DOWN = auto()
    """Nothing listens where it should be."""
    SILENT = auto()
    """It accepts the connection and never answers."""
    STALLED = auto()
    """It sends half of the body and then nothing, with the connection open."""
    DRIPPING = auto()
    """It sends a byte now and then, without end."""
    RESET = auto()
    """It sends half of the body and resets the connection."""
    TRUNCATED = auto()
    """It sends half of the body that it announced and ends in good order."""
    ENDLESS = auto()
    """It sends and sends."""
    TOO_LONG = auto()
    """It sends more than it announced."""
    REDIRECT_LOOP = auto()
    """It redirects in circles."""


class FetcherHarness(Suite):
    """What an author gives.

    Attributes:
        refused_urls: malformed or forbidden urls of the fetcher's own schemes, at least one; ``check`` refuses them.
    """

    optional: ClassVar[frozenset[str]] = frozenset(Flaw)
    refused_urls: ClassVar[Sequence[str]]

    @abstractmethod
    def make_fetcher(self, limits: FetchLimits) -> Fetcher:
        """A new fetcher with these limits. Called inside the running event loop."""

    @abstractmethod
    async def serve(self, body: Body) -> Source:
        """Have the origin serve the body under a url of its own; the source that leads there."""

    @abstractmethod
    async def serve_flawed(self, flaw: Flaw, body: Body) -> Source:
        """The same with something wrong; never called for a flaw in ``unsupported``."""

    @asynccontextmanager
    async def opened(self, limits: FetchLimits | None = None) -> AsyncIterator[Fetcher]:
        """A fetcher; it is closed on exit."""
        fetcher = self.made(self.make_fetcher(limits or FetchLimits()))
        try:
            yield fetcher
        finally:
            await fetcher.close()
