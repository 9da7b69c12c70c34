"""The state of ``import_many``: items that were read, batches that are being sent, imports whose ends are awaited."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import LadingError, TimedOut, refusal
from ..models import Import, ImportFailed
from ..results import Outcome
from ..retries import Tries
from ..steps import Request
from .imports import FIRST_PAUSE, LONGEST_PAUSE

BATCH: Final = 200
"""Items of a batch at most: as many as a page of a list has, so that one request shows all of them."""
UNWATCHED_BATCH: Final = 1000
"""The same, where nobody waits for the ends of the imports."""
IN_FLIGHT: Final = 1000
"""Imports whose ends are awaited at once."""
SUBMITTING: Final = 120.0
"""Seconds that the service may stay silent while it accepts a batch."""
_LATER: Final = frozenset({409, 429, 503, 507})
"""Statuses of items that may be accepted later: limits, a full backlog, a database that is away."""


@dataclass(slots=True)
class Item:
    """An item that was read.

    Attributes:
        index: in the order of all items, from 0.
        line: in its batch, from 1.
        text: its JSON.
        import_id: empty until it is accepted.
        batch_id: of the import; empty where that is replayed.
        error: the refusal of the last try.
        is_refused: whether it is not sent again.
        until: when the end of its import is awaited no longer, on the client's clock.
    """

    index: int
    line: int
    params: Mapping[str, Any]
    text: bytes
    import_id: str = ""
    batch_id: str = ""
    is_replayed: bool = False
    error: LadingError | None = None
    is_refused: bool = False
    until: float = 0.0

    @property
    def is_missing(self) -> bool:
        """Whether it may still be accepted."""
        return not self.import_id and not self.is_refused

    def told(self, line: Mapping[str, Any], batch_id: str) -> None:
        """Note the line of the answer that is about this item."""
        if isinstance(line.get("id"), str):
            self.import_id, self.error = line["id"], None
            self.is_replayed = bool(line.get("replayed"))
            self.batch_id = "" if self.is_replayed else batch_id
        else:
            self.error = refusal(int(line.get("status", 0)), line)
            self.is_refused = self.error.status not in _LATER

    def outcome(self, document: Import | None = None, error: LadingError | None = None) -> Outcome:
        """Its outcome."""
        if document is not None and document.is_final and not document.is_done:
            error = ImportFailed(document)
        return Outcome(self.index, self.params, self.import_id, document, error, self.is_replayed, self.batch_id)


@dataclass(slots=True)
class Parcel:
    """A batch that is sent until each of its items is accepted, or refused for good.

    Its key stays the same, and so do the lines of its items: an item whose answer was lost gets its import again.

    Attributes:
        due: when it is sent next, on the client's clock.
    """

    items: Sequence[Item]
    key: str
    tries: Tries
    due: float = 0.0

    @classmethod
    def of(cls, items: Sequence[Item], key: str | None, tries: Tries) -> "Parcel":
        """A batch, with a key of its own for its retries, or one that the same items get again."""
        if key is None:
            return cls(items, str(uuid.uuid4()), tries)
        digest = hashlib.sha256(b"\n".join(item.text for item in items)).hexdigest()
        return cls(items, f"{key}-{digest}", tries)

    @property
    def missing(self) -> Sequence[Item]:
        """The items that are still to be accepted."""
        return [item for item in self.items if item.is_missing]

    @property
    def request(self) -> Request:
        """The request for the missing items. An empty line is no item, but counts."""
        body = b"\n".join(item.text if item.is_missing else b"" for item in self.items)
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": self.key}
        return Request(
            "POST", "/api/v1/imports/batch", headers=headers, body=body, timeout=SUBMITTING, is_repeatable=True
        )

    def answered(self, batch_id: str, lines: Iterator[Mapping[str, Any]], now: float, timeout: float) -> "Group":
        """Note an answer; the items that it accepts.

        Raises:
            LadingError: ``answer_invalid``.
        """
        missing = {item.line: item for item in self.missing}
        summary: Mapping[str, Any] = {}
        for line in lines:
            item = missing.get(line.get("line", 0))
            if item is not None:
                item.told(line, batch_id)
            elif "complete" in line:
                summary = line
        accepted = {item.import_id: item for item in missing.values() if item.import_id}
        for item in accepted.values():
            item.until = now + timeout
        self._plan(summary, now, has_moved=bool(accepted))
        return Group(batch_id, accepted)

    def _plan(self, summary: Mapping[str, Any], now: float, *, has_moved: bool) -> None:
        """Decide when the missing items are sent again, or refuse them."""
        missing = self.missing
        if not missing:
            return
        if has_moved:
            self.tries.renew()
        seconds = self.tries.delay()
        if seconds is not None:
            self.due = now + seconds
            return
        silence = {"code": "batch_incomplete", "detail": "The service did not answer for this item."}
        for item in missing:
            item.error = item.error or refusal(0, {**silence, **summary})
            item.is_refused = True


@dataclass(slots=True)
class Group:
    """Imports of a batch whose ends are awaited.

    Attributes:
        items: by the ids of their imports; an import that was looked at in vain goes to the end.
        is_listable: whether the token may list them.
    """

    batch_id: str
    items: dict[str, Item] = field(default_factory=dict)
    is_listable: bool = True

    def judged(self, document: Import, now: float) -> Iterator[Outcome]:
        """The outcome of an import, if it is known now: then the group forgets the import."""
        item = self.items.get(document.id)
        if item is None:
            return
        if document.is_final:
            yield self.items.pop(document.id).outcome(document)
        elif now >= item.until:
            error = TimedOut(f"Import {document.id} is still {document.status}.")
            yield self.items.pop(document.id).outcome(document, error)
        else:
            self.items[document.id] = self.items.pop(document.id)


@dataclass(slots=True)
class Flight:
    """A run of ``import_many``.

    Attributes:
        is_awaited: whether the ends of imports are awaited.
        timeout: seconds to wait for each.
        taken: items that were read.
        is_over: whether these are all.
        parcel: the batch that is being sent.
        groups: imports whose ends are awaited.
    """

    is_awaited: bool
    timeout: float
    batch_size: int
    key: str | None
    taken: int = 0
    is_over: bool = False
    parcel: Parcel | None = None
    groups: list[Group] = field(default_factory=list)
    _pause: float = FIRST_PAUSE

    @property
    def has_room(self) -> bool:
        """Whether the next batch may be read."""
        if self.is_over or self.parcel is not None:
            return False
        return sum(len(group.items) for group in self.groups) + self.batch_size <= IN_FLIGHT

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to be sent or awaited."""
        return self.parcel is None and not self.groups

    def load(self, items: Sequence[Item], tries: Tries) -> None:
        """Send these next."""
        self.parcel = Parcel.of(items, self.key, tries) if items else None

    def sent(self, accepted: Group) -> Iterator[Outcome]:
        """Note that a batch was sent; the outcomes that are known by that."""
        self._pause = FIRST_PAUSE
        if self.is_awaited:
            self.groups.append(accepted)
        else:
            yield from (item.outcome() for item in accepted.items.values())
        if self.parcel is not None and not self.parcel.missing:
            yield from (item.outcome(error=item.error) for item in self.parcel.items if item.is_refused)
            self.parcel = None

    def pause(self, *, has_news: bool) -> float:
        """Seconds until the next look: none while there is more to send, longer while nothing happens."""
        if self.has_room or self.is_empty:
            return 0.0
        seconds = FIRST_PAUSE if has_news else self._pause
        self._pause = min(2 * seconds, LONGEST_PAUSE)
        return seconds
