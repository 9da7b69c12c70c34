"""Batches of writes to ``imports``: inserts, and compare-and-set updates of a revision.

No command reports everything that the store must know. The driver may retry an interrupted command that succeeded, and
a bulk update reports how many documents matched, not which. So each write adds its own random token to the document's
last tokens. If in doubt, the store reads the tokens: a write that finds its token has succeeded.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Self

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError

from ...models import Import
from ...models.lifecycle import CLAIMED
from .. import DuplicateId, StoreError, StoreUnavailable
from .changes import change_field
from .connection import Connection
from .fields import birth_fields, event_fields, state_fields, text
from .schema import IMPORTS

MAX_DOCUMENT_BYTES = 16 * 1024**2
"""https://www.mongodb.com/docs/manual/reference/limits/: BSON document size."""
TOKENS = 8
"""How many tokens a document keeps: later writes of others hide one only when there were as many of them."""
_DUPLICATE_KEY = 11000
_claimed_fields = attrgetter(*CLAIMED)


@dataclass(frozen=True, slots=True)
class Insertion:
    """A new import, encoded once: its size is known before it is sent.

    Attributes:
        token: of this write.
    """

    import_id: str
    encoded: RawBSONDocument
    token: int

    @classmethod
    def of(cls, document: Import) -> Self:
        """Encode an import.

        Raises:
            StoreError: it is larger than MongoDB allows.
        """
        token = new_token()
        encoded = bson.encode({**birth_fields(document), **_next_state(document), "writes": [token]})
        if len(encoded) > MAX_DOCUMENT_BYTES:
            raise StoreError(f"import {document.id} is larger than a MongoDB document may be")
        return cls(document.id, RawBSONDocument(encoded), token)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.encoded.raw)


@dataclass(frozen=True, slots=True)
class Replacement:
    """The next revision of an import, encoded once: what cannot be encoded fails alone, before it is sent.

    Attributes:
        revision: the one that is written.
        state: the fields that transitions change.
        events: what is added to the outbox.
        token: of this write.
    """

    import_id: str
    revision: int
    state: RawBSONDocument
    events: RawBSONDocument
    token: int

    @classmethod
    def of(cls, document: Import) -> Self:
        """Encode the state of an import."""
        state = RawBSONDocument(bson.encode(_next_state(document)))
        events = RawBSONDocument(bson.encode({"$each": event_fields(document.new_events)}))
        return cls(text(document.id), int(document.revision), state, events, new_token())

    @property
    def size(self) -> int:
        """Bytes, without the names of the operators."""
        return len(self.state.raw) + len(self.events.raw)

    @property
    def statement(self) -> UpdateOne:
        """The compare-and-set."""
        return UpdateOne(self.wanted, self.change)

    @property
    def wanted(self) -> dict[str, Any]:
        """The query for the import, if its revision is the one before."""
        return {"_id": self.import_id, "revision": self.revision - 1}

    @property
    def change(self) -> dict[str, Any]:
        """The operators."""
        added = {"writes": {"$each": [self.token], "$slice": -TOKENS}, "events": self.events}
        return {"$set": self.state, "$push": added}


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What a write leaves in a document; see ``Replacement``."""

    import_id: str
    revision: int
    token: int


@dataclass(frozen=True, slots=True)
class _Report:
    """What is known of a batch that was not written as a whole.

    Attributes:
        codes: of the statements that failed, by their place in the batch.
        unconfirmed: whether no majority has confirmed the others.
        matched: how many updates found what they compare with.
    """

    codes: Mapping[int, int]
    unconfirmed: bool
    matched: int

    @classmethod
    def of(cls, error: BulkWriteError) -> Self:
        """Read the driver's error, which must go no further: its text holds the documents."""
        details: Any = error.details
        codes = {fault["index"]: fault.get("code", 0) for fault in details.get("writeErrors", ())}
        return cls(codes, bool(details.get("writeConcernErrors")), details.get("nMatched", 0))


class Writes:
    """Writes batches; see ``Coalescer`` for what the outcomes are."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, batch: Sequence[Insertion]) -> Sequence[Exception | None]:
        """Insert new imports; the outcome of each is None, ``DuplicateId`` or ``StoreUnavailable``.

        Raises:
            StoreUnavailable: it is not known whether any was inserted.
        """
        report = await self._connection.run(lambda: self._insert_many(batch))
        if report is None:
            return [None] * len(batch)
        taken = [batch[place] for place, code in report.codes.items() if code == _DUPLICATE_KEY]
        tokens = await self._tokens([insertion.import_id for insertion in taken])
        return [self._inserted(place, insertion, report, tokens) for place, insertion in enumerate(batch)]

    async def replace(self, batch: Sequence[Replacement]) -> Sequence[bool | Exception]:
        """Replace each import whose stored revision is the one before; see ``DocumentStore.update``.

        Raises:
            StoreUnavailable: it is not known whether any was replaced.
        """
        stamps = [_Stamp(one.import_id, one.revision, one.token) for one in batch]
        return await self._update([one.statement for one in batch], stamps)

    async def claim(self, claimed: Sequence[Import]) -> Sequence[bool]:
        """Write each claimed import whose stored revision is the one before. Those that change in the same way, as
        nearly all do, are one statement. The driver does not retry it.

        Returns:
            which of them were written.

        Raises:
            StoreUnavailable: it is not known which were written.
        """
        alike: dict[object, list[Import]] = {}
        for one in claimed:
            alike.setdefault((one.organization_id, *_claimed_fields(one)), []).append(one)
        token = new_token()
        statements = [_claiming(some, token) for some in alike.values()]
        stamps = [_Stamp(one.id, one.revision, token) for one in claimed]
        outcomes = await self._update(statements, stamps) if statements else ()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return [outcome is True for outcome in outcomes]

    async def _update(
        self, statements: Sequence[UpdateOne | UpdateMany], batch: Sequence[_Stamp]
    ) -> Sequence[bool | Exception]:
        report = await self._connection.run(lambda: self._bulk_write(statements))
        if report.matched == len(batch) and not report.unconfirmed:
            return [True] * len(batch)
        if report.matched == 0 and not report.codes and not report.unconfirmed:
            return [False] * len(batch)
        stored = await self._tokens([one.import_id for one in batch])
        written = [one.token in stored.get(one.import_id, (0, ()))[1] for one in batch]
        # A token that is not found may have been pushed out by later ones; but not where all that matched are found.
        is_hidden = sum(written) < report.matched
        outcomes: list[bool | Exception] = []
        for place, one in enumerate(batch):
            unknown = _unconfirmed(report.codes.get(place), report)
            if unknown is None and is_hidden and not written[place]:
                unknown = _too_late(one, stored.get(one.import_id))
            outcomes.append(written[place] if unknown is None else unknown)
        return outcomes

    async def _insert_many(self, batch: Sequence[Insertion]) -> _Report | None:
        imports = self._connection.collection(IMPORTS)
        try:
            await imports.insert_many([insertion.encoded for insertion in batch], ordered=False)
        except BulkWriteError as error:
            return _Report.of(error)
        return None

    async def _bulk_write(self, updates: Sequence[UpdateOne | UpdateMany]) -> _Report:
        imports = self._connection.collection(IMPORTS)
        try:
            result = await imports.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            return _Report.of(error)
        return _Report({}, unconfirmed=False, matched=result.matched_count)

    async def _tokens(self, ids: Collection[str]) -> Mapping[str, tuple[int, Sequence[int]]]:
        """The stored revision and the last tokens of each import that exists.

        A majority has confirmed what is read: a write that is seen here is durable.
        """
        if not ids:
            return {}
        cursor = self._connection.collection(IMPORTS).find({"_id": {"$in": list(ids)}}, {"revision": 1, "writes": 1})
        found = await self._connection.run(lambda: cursor.to_list(None))
        return {one["_id"]: (one["revision"], one["writes"]) for one in found}

    @staticmethod
    def _inserted(
        place: int, insertion: Insertion, report: _Report, tokens: Mapping[str, tuple[int, Sequence[int]]]
    ) -> Exception | None:
        code = report.codes.get(place)
        if code == _DUPLICATE_KEY:
            _, written = tokens.get(insertion.import_id, (0, ()))
            return None if insertion.token in written else DuplicateId(f"import {insertion.import_id} exists already")
        return _unconfirmed(code, report)


def _next_state(document: Import) -> dict[str, Any]:
    return {**state_fields(document), "change": change_field(document)}


def _claiming(alike: Sequence[Import], token: int) -> UpdateMany:
    """The compare-and-set of claimed imports that change in the same way: the fields that a claim changes, and the one
    by which readers of changes find the imports.
    """
    one = alike[0]
    changed = dict(zip(CLAIMED, _claimed_fields(one), strict=True))
    return UpdateMany(
        {"_id": {"$in": [text(some.id) for some in alike]}, "revision": one.revision - 1},
        {
            "$set": {**changed, "status": one.status.value, "change": change_field(one)},
            "$push": {"writes": {"$each": [token], "$slice": -TOKENS}},
        },
        hint="_id_",
    )


def new_token() -> int:
    """A token that no other write has."""
    return secrets.randbits(63)


def _too_late(one: _Stamp, stored: tuple[int, Sequence[int]] | None) -> StoreUnavailable | None:
    """The outcome where the token of that revision is no longer among the last ones; else None.

    Every write adds one to the revision and one token, so that the last tokens belong to the last revisions.
    """
    if stored is None or stored[0] - one.revision < TOKENS:
        return None
    return StoreUnavailable(f"MongoDB: whether import {one.import_id} was written cannot be told any more")


def _unconfirmed(code: int | None, report: _Report) -> StoreUnavailable | None:
    if code is not None:
        return StoreUnavailable(f"MongoDB: the server refused a write (code {code})")
    if report.unconfirmed:
        return StoreUnavailable("MongoDB: a majority did not confirm the write in time")
    return None
