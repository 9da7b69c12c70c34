"""Every kind of write that the SQLite store makes, and how another connection sees whether it was made."""

import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from lading.service.documents import DocumentStore
from lading.service.documents.records import Record
from lading.service.documents.sqlite.rows import metadata_rows
from lading.service.models import Import
from lading.service.models.clock import truncate_to_milliseconds
from lading.service.models.issuers import Issuer
from tests.conformance.documents.cases.base import LEASE, SettableClock, make_import

METADATA: Final = {"metadata": {"color": "blue", "shape": "round"}}
_HOUR: Final = timedelta(hours=1)
_numbers = itertools.count()


class State(Enum):
    """What a connection sees of a write."""

    BEFORE = "not made"
    HALF = "made in part"
    AFTER = "made"


@dataclass(frozen=True)
class Part:
    """A call of the store.

    Attributes:
        do: makes it; what it returns is checked against ``result``.
        state: what a connection sees of it.
        result: what it returns when it is acknowledged.
        lasts: whether no later write of the walk changes what ``state`` sees.
    """

    do: Callable[[], Awaitable[Any]]
    state: Callable[[sqlite3.Connection], State]
    result: Any = None
    lasts: bool = False


Prepare = Callable[[DocumentStore, SettableClock], Awaitable[Sequence[Part]]]
"""Writes what the calls need, and gives them; they are made at the same time."""


def _name(kind: str) -> str:
    return f"{kind}-{next(_numbers):06}"


def _count(connection: sqlite3.Connection, query: str, *values: Any) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {query}", values).fetchone()[0]
    return count


def _of(counts: Sequence[int], after: Sequence[int], before: Sequence[int]) -> State:
    return State.AFTER if counts == after else State.BEFORE if counts == before else State.HALF


# --- imports ----------------------------------------------------------------------------------------------------------


def addition(store: DocumentStore, document: Import) -> Part:
    """To add an import: its row and those of its metadata belong together."""

    def state(connection: sqlite3.Connection) -> State:
        counts = [
            _count(connection, "imports WHERE id = ?", document.id),
            _count(connection, "import_metadata WHERE id = ?", document.id),
        ]
        return _of(counts, [1, len(metadata_rows(document))], [0, 0])

    return Part(lambda: store.add(document), state, lasts=True)


def _update(store: DocumentStore, document: Import) -> Part:
    def state(connection: sqlite3.Connection) -> State:
        found = "imports WHERE id = ? AND revision = ? AND status = ?"
        after = _count(connection, found, document.id, document.revision, document.status)
        return State.AFTER if after else State.BEFORE

    return Part(lambda: store.update(document), state, True, lasts=True)


def adding(count: int, params: Mapping[str, Any]) -> Prepare:
    async def prepare(store: DocumentStore, clock: SettableClock) -> Sequence[Part]:
        return [addition(store, make_import(clock, params=params)) for _ in range(count)]

    return prepare


async def _added(store: DocumentStore, clock: SettableClock, count: int, **changes: Any) -> list[Import]:
    documents = [make_import(clock, **changes) for _ in range(count)]
    for document in documents:
        await store.add(document)
    return documents


def updating(count: int) -> Prepare:
    async def prepare(store: DocumentStore, clock: SettableClock) -> Sequence[Part]:
        return [_update(store, one.cancelled(clock.now())) for one in await _added(store, clock, count)]

    return prepare


async def announcing(store: DocumentStore, clock: SettableClock) -> Sequence[Part]:
    """Events leave the outbox."""
    event = _name("event")
    (document,) = await _added(store, clock, 1, outbox=({"id": event, "type": "import.done"},))

    def state(connection: sqlite3.Connection) -> State:
        left = _count(connection, "imports WHERE id = ? AND outbox LIKE '%' || ? || '%'", document.id, event)
        return _of([left], [0], [1])

    return [Part(lambda: store.announced(document.id, [event]), state)]


async def removing(store: DocumentStore, clock: SettableClock) -> Sequence[Part]:
    (document,) = await _added(store, clock, 1, params=METADATA)

    def state(connection: sqlite3.Connection) -> State:
        counts = [_count(connection, f"{table} WHERE id = ?", document.id) for table in ("imports", "import_metadata")]
        return _of(counts, [0, 0], [1, len(metadata_rows(document))])

    return [Part(lambda: store.remove(document), state, True)]


def claiming(workers: int, limit: int) -> Prepare:
    async def prepare(store: DocumentStore, clock: SettableClock) -> Sequence[Part]:
        await _added(store, clock, workers * limit)
        names = [_name("worker") for _ in range(workers)]
        for name in names:
            await store.register(name, LEASE)
        return [_claim(store, name, limit) for name in names]

    return prepare


def _claim(store: DocumentStore, worker: str, limit: int) -> Part:
    async def do() -> None:
        claimed = await store.claim(worker, limit)
        assert [document.worker_id for document in claimed] == [worker] * limit

    def state(connection: sqlite3.Connection) -> State:
        taken = _count(connection, "imports WHERE worker_id = ? AND status = 'running'", worker)
        return _of([taken], [limit], [0])

    return Part(do, state)


# --- workers ----------------------------------------------------------------------------------------------------------


def _lease(connection: sqlite3.Connection, worker: str) -> int | None:
    row = connection.execute("SELECT expires_at FROM workers WHERE id = ?", (worker,)).fetchone()
    return None if row is None else int(row[0])


async def registering(store: DocumentStore, _clock: SettableClock) -> Sequence[Part]:
    worker = _name("worker")

    def state(connection: sqlite3.Connection) -> State:
        return State.BEFORE if _lease(connection, worker) is None else State.AFTER

    return [Part(lambda: store.register(worker, LEASE), state)]


async def renewing(store: DocumentStore, _clock: SettableClock) -> Sequence[Part]:
    worker, twin = _name("worker"), _name("worker")
    for name in (worker, twin):
        await store.register(name, LEASE)

    def state(connection: sqlite3.Connection) -> State:
        renewed, first = (_lease(connection, name) for name in (worker, twin))
        assert renewed is not None
        assert first is not None
        return State.AFTER if renewed - first > _HOUR / timedelta(milliseconds=2) else State.BEFORE

    return [Part(lambda: store.heartbeat(worker, LEASE + _HOUR), state, True)]


async def recovering(store: DocumentStore, clock: SettableClock) -> Sequence[Part]:
    """What a worker without a lease runs is queued again."""
    worker = _name("worker")
    await store.register(worker, LEASE)
    await _added(store, clock, 3)
    claimed = await store.claim(worker, 3)
    assert len(claimed) == 3
    await store.release(worker)

    async def do() -> None:
        assert await store.recover(1000) >= 3

    def state(connection: sqlite3.Connection) -> State:
        left = _count(connection, "imports WHERE worker_id = ? AND status = 'running'", worker)
        return _of([left], [0], [3])

    return [Part(do, state)]


async def releasing(store: DocumentStore, _clock: SettableClock) -> Sequence[Part]:
    worker = _name("worker")
    await store.register(worker, LEASE)

    def state(connection: sqlite3.Connection) -> State:
        return State.AFTER if _lease(connection, worker) is None else State.BEFORE

    return [Part(lambda: store.release(worker), state)]


# --- records ----------------------------------------------------------------------------------------------------------


def _record(clock: SettableClock) -> Record:
    return Record("kind", _name("record"), "owner", {"size": "x" * 2000}, truncate_to_milliseconds(clock.now()))


def _revision(connection: sqlite3.Connection, record: Record) -> int | None:
    row = connection.execute("SELECT revision FROM records WHERE kind = 'kind' AND id = ?", (record.id,)).fetchone()
    return None if row is None else int(row[0])


async def adding_records(store: DocumentStore, clock: SettableClock) -> Sequence[Part]:
    def part(record: Record) -> Part:
        return Part(
            lambda: store.records.add(record),
            lambda connection: State.BEFORE if _revision(connection, record) is None else State.AFTER,
            lasts=True,
        )

    return [part(_record(clock)) for _ in range(3)]


async def changing_records(store: DocumentStore, clock: SettableClock) -> Sequence[Part]:
    replaced, deleted = _record(clock), _record(clock)
    for record in (replaced, deleted):
        await store.records.add(record)
    after = replaced.changed(data={"a": 1})

    def replacement(connection: sqlite3.Connection) -> State:
        return State.AFTER if _revision(connection, replaced) == after.revision else State.BEFORE

    def deletion(connection: sqlite3.Connection) -> State:
        return State.AFTER if _revision(connection, deleted) is None else State.BEFORE

    return [
        Part(lambda: store.records.replace(after), replacement, True, lasts=True),
        Part(lambda: store.records.delete("kind", deleted.id), deletion, True, lasts=True),
    ]


# --- issuers, and all together ----------------------------------------------------------------------------------------


async def issuing(store: DocumentStore, _clock: SettableClock) -> Sequence[Part]:
    added, changed = (Issuer(_name("issuer"), "organization", "a secret of at least 32 characters") for _ in range(2))
    await store.add_issuer(changed)

    def is_there(connection: sqlite3.Connection) -> State:
        return State.AFTER if _count(connection, "issuers WHERE id = ?", added.id) else State.BEFORE

    def is_disabled(connection: sqlite3.Connection) -> State:
        found = _count(connection, "issuers WHERE id = ? AND enabled = 0", changed.id)
        return State.AFTER if found else State.BEFORE

    def is_rotated(connection: sqlite3.Connection) -> State:
        found = _count(connection, "issuers WHERE id = ? AND key = 'the next key'", changed.id)
        return State.AFTER if found else State.BEFORE

    return [
        Part(lambda: store.add_issuer(added), is_there, lasts=True),
        Part(lambda: store.set_issuer_enabled(changed.id, False), is_disabled, True, lasts=True),
        Part(lambda: store.rotate_issuer(changed.id, "the next key", None), is_rotated, True, lasts=True),
    ]


async def pinging(store: DocumentStore, _clock: SettableClock) -> Sequence[Part]:
    return [Part(store.ping, lambda _connection: State.AFTER)]


async def everything(store: DocumentStore, clock: SettableClock) -> Sequence[Part]:
    """All kinds in one transaction: none may be harmed, or believed, because of another."""
    kinds = (adding(2, METADATA), updating(2), removing, registering, changing_records, issuing)
    return [part for prepare in kinds for part in await prepare(store, clock)]


DEEDS: Final[Mapping[str, Prepare]] = {
    "add": adding(1, {}),
    "add with metadata": adding(1, METADATA),
    "add 20 at once": adding(20, {}),
    "add 40 at once, with metadata": adding(40, METADATA),
    "update": updating(1),
    "update 40 at once": updating(40),
    "announce": announcing,
    "remove": removing,
    "claim": claiming(1, 3),
    "claim for three workers": claiming(3, 2),
    "register": registering,
    "heartbeat": renewing,
    "recover": recovering,
    "release": releasing,
    "add records": adding_records,
    "replace and delete records": changing_records,
    "issuers": issuing,
    "ping": pinging,
    "everything": everything,
}
