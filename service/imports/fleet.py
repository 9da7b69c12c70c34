"""The workers at one moment, and the imports that each holds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ..documents import DocumentStore
from ..documents.queue import Entry, Selection
from ..models import Status
from ..models.clock import Clock
from ..work.leases import holder_of
from ..work.orders.crew import Crew, Member

MOST: Final = 10_000
"""Running imports that are looked at, at most."""


@dataclass(frozen=True, slots=True)
class Post:
    """A worker, and what it holds.

    Attributes:
        held: its claimed imports by the database, the oldest claim first.
        seen_seconds: how long ago it has renewed its leases.
        lease_seconds: after how long others take over its imports unless it renews its leases.
    """

    member: Member
    held: Sequence[Entry]
    seen_seconds: float
    lease_seconds: float

    def as_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        one = self.member.identity
        return {
            "id": one.id,
            "state": self.member.state.value,
            "host": one.host,
            "pid": one.pid,
            "process": one.process,
            "version": one.version,
            "started_at": one.started_at.isoformat(),
            "drained_at": None if self.member.drained_at is None else self.member.drained_at.isoformat(),
            "seen_seconds": self.seen_seconds,
            "lease_seconds": self.lease_seconds,
            "imports": [
                {
                    "id": entry.id,
                    "issuer_id": entry.issuer_id,
                    "host": entry.host,
                    "since": entry.since.isoformat(),
                    "attempts": entry.attempts,
                }
                for entry in self.held
            ],
        }


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers at one moment.

    Attributes:
        at: the moment, by the machine's clock.
        posts: those that are alive.
        others: how many running imports belong to none of them: their client sends their bytes to a service, or their
            worker has died or is of an earlier version.
        is_whole: whether all running imports were looked at.
    """

    at: datetime
    posts: Sequence[Post]
    others: int
    is_whole: bool

    def as_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        return {
            "at": self.at.isoformat(),
            "workers": [post.as_json() for post in self.posts],
            "other_imports": self.others,
            "is_whole": self.is_whole,
        }


async def fleet(store: DocumentStore, clock: Clock) -> Fleet:
    """Look at the workers.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    members = await Crew(store).all()
    running = await store.queue.entries(Selection(Status.RUNNING), MOST)
    held: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(running, key=lambda one: (one.since, one.id)):
        held[holder_of(entry.worker_id or "")].append(entry)
    now = store.clock.now()
    posts = [
        Post(
            member=one,
            held=held.pop(one.identity.id, ()),
            seen_seconds=_seconds(now - one.seen_at),
            lease_seconds=_seconds(one.lease_until - now),
        )
        for one in members
    ]
    return Fleet(clock.now(), posts, sum(map(len, held.values())), len(running) < MOST)


def _seconds(span: timedelta) -> float:
    return round(max(0.0, span.total_seconds()), 3)
