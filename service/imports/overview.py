"""What operators see of the queue at one moment: the imports which are not done, in groups, and the pauses."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..documents import DocumentStore
from ..documents.queue import OPEN, Group, Selection, Summary
from ..errors.hints import HINTS
from ..models import Status
from ..models.clock import Clock
from ..work.orders.pauses import Pause, Pauses


@dataclass(frozen=True, slots=True)
class State:
    """The imports of one state.

    Attributes:
        count: how many there are; at least as many if the reading is not whole.
        oldest: since when the first of them is in it, as ``Entry.since``; None where there are none.
        is_whole: whether all of them were looked at.
    """

    count: int
    oldest: datetime | None
    is_whole: bool

    @classmethod
    def of(cls, summary: Summary) -> "State":
        """The groups together."""
        groups = summary.groups
        oldest = min((one.oldest for one in groups), default=None)
        return cls(sum(one.count for one in groups), oldest, summary.is_whole)


@dataclass(frozen=True, slots=True)
class Overview:
    """The queue at one moment.

    Attributes:
        at: the moment, by the machine's clock.
        pauses: all of them.
        states: by state; of failed imports those since ``failed_since``.
        groups: the groups of each state, the largest first.
    """

    at: datetime
    failed_since: datetime
    pauses: Sequence[Pause]
    states: Mapping[Status, State]
    groups: Sequence[tuple[Status, Group]]

    def as_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        return {
            "at": self.at.isoformat(),
            "failed_since": self.failed_since.isoformat(),
            "paused": [one.as_json() for one in self.pauses],
            "states": {
                status.value: {"count": one.count, "oldest": _text(one.oldest), "is_whole": one.is_whole}
                for status, one in self.states.items()
            },
            "groups": [
                {
                    "status": status.value,
                    "issuer_id": group.issuer_id,
                    "host": group.host,
                    "code": group.code,
                    "count": group.count,
                    "oldest": group.oldest.isoformat(),
                    "newest": group.newest.isoformat(),
                    "example": group.example,
                }
                for status, group in self.groups
            ],
        }


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed imports with one code and one host.

    Attributes:
        issuers: how many issuers they belong to.
        newest: when the latest of them failed.
        example: the id of that one.
        hint: the remedy; None for a code of a plugin, which has its own documentation.
    """

    code: str
    host: str
    count: int
    issuers: int
    newest: datetime
    example: str
    hint: str | None

    def as_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        return {
            "code": self.code,
            "host": self.host,
            "count": self.count,
            "issuers": self.issuers,
            "newest": self.newest.isoformat(),
            "example": self.example,
            "hint": self.hint,
        }


async def overview(store: DocumentStore, clock: Clock, failed_since: datetime) -> Overview:
    """Look at the queue.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    wanted = [Selection(status, since=failed_since if status is Status.FAILED else None) for status in OPEN]
    pauses = await Pauses(store).all()
    summaries = await asyncio.gather(*map(store.queue.summary, wanted))
    found = dict(zip(OPEN, summaries, strict=True))
    return Overview(
        at=clock.now(),
        failed_since=failed_since,
        pauses=pauses,
        states={status: State.of(summary) for status, summary in found.items()},
        groups=[
            (status, group)
            for status, summary in found.items()
            for group in sorted(summary.groups, key=lambda one: (-one.count, one.oldest))
        ],
    )


async def failures(store: DocumentStore, wanted: Selection) -> tuple[Sequence[Failures], bool]:
    """The failed imports that are meant, by code and host, the most frequent first; and whether all were looked at.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    summary = await store.queue.summary(replace(wanted, status=Status.FAILED))
    by_cause: defaultdict[tuple[str, str], list[Group]] = defaultdict(list)
    for group in summary.groups:
        by_cause[group.code or "", group.host].append(group)
    found = [_failures(code, host, groups) for (code, host), groups in by_cause.items()]
    return sorted(found, key=lambda one: (-one.count, one.code, one.host)), summary.is_whole


def _failures(code: str, host: str, groups: Sequence[Group]) -> Failures:
    last = max(groups, key=lambda one: one.newest)
    return Failures(
        code=code,
        host=host,
        count=sum(one.count for one in groups),
        issuers=len(groups),
        newest=last.newest,
        example=last.example,
        hint=HINTS.get(code),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
