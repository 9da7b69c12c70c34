"""What operators do to many imports at once: cancel or retry them, each by the operation that clients have too."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ...plugins.errors import SourceRefused, UrlInvalid
from ...plugins.net.urls import canonical_host, parse_http_url
from ..documents import DocumentStore
from ..documents.queue import Entry, Selection
from ..errors.catalogue import ApiError
from ..errors.database import told_as_outage
from ..models import Status
from ..models.clock import SystemClock, moment_before
from .actions import Lives

MOST: Final = 10_000
"""Imports that one call chooses, at most."""
CONCURRENCY: Final = 8
MAX_CODE: Final = 100
"""The longest error code, in characters."""
_IPV6: Final = re.compile(r"\[([0-9a-fA-F:.]+)\]|([0-9a-fA-F.]*:[0-9a-fA-F:.]*)")
_OF_ISSUER: Final = "backlog_full"
"""A refusal that the next import of the same issuer would meet too."""
_OF_ALL: Final = "documents_unavailable"
"""A refusal that every further import would meet too."""


class Act(StrEnum):
    """What is done to each import."""

    RETRY = "retry"
    CANCEL = "cancel"

    @property
    def states(self) -> Sequence[Status]:
        """The states of the imports that it is meant for."""
        return (Status.FAILED,) if self is Act.RETRY else (Status.QUEUED, Status.WAITING, Status.RUNNING)


@dataclass(slots=True)
class Tally:
    """How far a call has come.

    Attributes:
        done: number of imports that were written.
        refused: number of the imports that were refused, by the code of the refusal. An import that would be refused
            for the same reason as an import before it is left out: it is in neither number.
        full: issuers whose share of the backlog is used up; their imports are left out.
    """

    done: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    full: set[str] = field(default_factory=set)

    def leaves_out(self, entry: Entry) -> bool:
        """Whether the import would be refused for the same reason as an import before it."""
        return bool(self.refused[_OF_ALL]) or entry.issuer_id in self.full


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Which imports an operator means; None is no condition."""

    issuer_id: str | None
    host: str | None
    code: str | None
    since: datetime | None

    @classmethod
    def of(cls, issuer_id: str | None, host: str | None, code: str | None, within: timedelta | None) -> "Narrowing":
        """With an age that begins now."""
        return cls(issuer_id, host, code, None if within is None else moment_before(SystemClock().now(), within))

    @property
    def object(self) -> dict[str, str | None]:
        """The same for the audit log."""
        since = None if self.since is None else self.since.isoformat(timespec="seconds")
        return {"issuer_id": self.issuer_id, "host": self.host, "code": self.code, "since": since}

    def selection(self, status: Status) -> Selection:
        """The same for the imports of one state."""
        return Selection(status, self.issuer_id, self.host, self.code, self.since)


def parse_host(text: str) -> str:
    """A host as documents have it, which is how an accepted URL names it; see ``HttpUrl.host``.

    Args:
        text: a name, or an address; brackets around an IPv6 address are optional.

    Raises:
        ValueError: the text is no host.
    """
    try:
        if not text.isprintable():
            raise UrlInvalid(reason="its host is not valid")
        address = _IPV6.fullmatch(text)
        return canonical_host(text) if address is None else parse_http_url(f"http://[{address[1] or address[2]}]/").host
    except SourceRefused:
        raise ValueError("this is not a host such as images.example.org, without a scheme, a port and a path") from None


def parse_code(text: str) -> str:
    """An error code; plugins have codes of their own.

    Raises:
        ValueError: the text is empty, too long, or not printable.
    """
    if not 1 <= len(text) <= MAX_CODE or not text.isprintable():
        raise ValueError(f"this is not an error code: 1 to {MAX_CODE} printable characters")
    return text


@dataclass(frozen=True, slots=True)
class Bulk:
    """Chooses imports of all issuers, and acts on them."""

    store: DocumentStore
    lives: Lives

    async def choose(self, act: Act, narrowed: Callable[[Status], Selection], most: int = MOST) -> Sequence[Entry]:
        """Up to ``most`` imports that are meant, sorted: the longest in their state first. If more are meant, the
        database decides which are chosen.

        Args:
            act: decides about the states.
            narrowed: which imports of a state are meant.
            most: how many at most.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        found: list[Entry] = []
        for status in act.states:
            found += await self.store.queue.entries(narrowed(status), most - len(found))
            if len(found) == most:
                break
        return sorted(found, key=lambda entry: (entry.since, entry.id))

    async def run(self, act: Act, chosen: Iterable[Entry], report: Callable[[Tally], None]) -> Tally:
        """Act on imports that were chosen; on those which are no longer in such a state, it does nothing.

        Args:
            act: what to do.
            chosen: the imports.
            report: called after each import.
        """
        tally = Tally()
        rest = iter(chosen)

        async def work() -> None:
            for entry in rest:
                if tally.leaves_out(entry):
                    continue
                try:
                    await self._one(act, entry.id)
                except ApiError as error:
                    tally.refused[error.code] += 1
                    if error.code == _OF_ISSUER:
                        tally.full.add(entry.issuer_id)
                else:
                    tally.done += 1
                report(tally)

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        return tally

    async def _one(self, act: Act, import_id: str) -> None:
        with told_as_outage():
            document = await self.store.get(import_id)
        if document is None or document.deleted_at is not None:
            raise ApiError("not_found")
        await (self.lives.retry(document) if act is Act.RETRY else self.lives.cancel(document))
