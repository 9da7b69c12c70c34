"""The order of an organisation's changes: the order of a change stream, which is the order of commits.

Every write of an import sets its field ``change`` to the organisation and the revision. By this field the server
selects an organisation's events from the oplog without reading an import. A write that leaves the field alone is no
change. A position is a resume token in hexadecimal, which can be compared and sorted
(https://www.mongodb.com/docs/manual/changeStreams/#resume-tokens). The oplog is finite: the store reads older changes
by ``updated_at``.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure

from ...models import Import
from ..positions import OVERLAP, moment_of
from ..search import Change, Changed
from .connection import Connection
from .fields import text, to_import
from .schema import CHANGED, IMPORTS

_RESUME: Final = "82[0-9A-F]{16,1000}"
"""A token begins with the time of its event, by the server's clock: as a KeyString, in seconds and a counter."""
_STREAMED: Final = re.compile(f"m({_RESUME})")
_LISTED: Final = re.compile(f"l([0-9]{{14}})-([0-9A-Za-z-]{{0,100}})\\.({_RESUME})")
"""A place in a reading by ``updated_at``, and the token to go on with after it. It is before every other."""
_AWAIT_MILLISECONDS: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class ChangeReader:
    """Reads changes; a reading whose caller was cancelled goes on to its end, and closes its stream.

    Closed half-way, the driver would leave a stream that it is just opening to the server for ten minutes.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._readings: set[asyncio.Task[Changed]] = set()

    async def read(self, organization_id: str, position: str, limit: int) -> Changed:
        """See ``ImportSearch.changed_since``."""
        reading = asyncio.create_task(_read(self._connection, organization_id, position, limit), name="changes")
        self._readings.add(reading)
        reading.add_done_callback(self._ended)
        return await asyncio.shield(reading)

    async def close(self) -> None:
        """Return when every reading has ended, which takes no longer than operations may take."""
        while self._readings:
            await asyncio.wait(tuple(self._readings))

    def _ended(self, reading: asyncio.Task[Changed]) -> None:
        self._readings.discard(reading)
        if not reading.cancelled():
            reading.exception()  # its caller gets the error, if it still waits


async def _read(connection: Connection, organization_id: str, position: str, limit: int) -> Changed:
    """See ``ImportSearch.changed_since``.

    Raises:
        StoreUnavailable: the database does not answer, or has no change streams.
    """
    reading = _Reading(connection, text(organization_id), limit)
    listed, streamed = _LISTED.fullmatch(position), _STREAMED.fullmatch(position)
    if listed is not None:
        return await reading.listed(_EPOCH + int(listed[1]) * _MILLISECOND, listed[2], listed[3])
    if streamed is not None:
        found = await reading.streamed(streamed[1])
        if found is not None:
            return found
        moment: datetime | None = _moment(streamed[1])
    else:
        moment = moment_of(position)
    token, now = await reading.present()
    if moment is None:
        return Changed((), f"m{token}")
    return await reading.listed(min(moment, now) - OVERLAP, "", token)


def change_field(document: Import) -> dict[str, Any]:
    """The field ``change`` of an import."""
    return {"organization_id": text(document.organization_id), "revision": int(document.revision)}


@dataclass(frozen=True, slots=True)
class _Reading:
    """A page of an organisation's changes."""

    connection: Connection
    organization_id: str
    limit: int

    async def streamed(self, token: str) -> Changed | None:
        """What comes after the token; None where the server does not know it, or not any more."""

        async def read() -> Changed | None:
            # A session: what is read of the imports is never older than the events.
            async with await self.connection.database.client.start_session() as session:
                try:
                    events, after = await self._events(session, self.limit, token)
                except OperationFailure as error:
                    if error.timeout or error.has_error_label("ResumableChangeStreamError"):
                        raise
                    return None
                now = _server_time(session)
                if now is not None and _moment(token) > now:
                    return None  # of another time, such as that before a restoration: the server would wait for it
                changes = await self._changes(session, events)
                return Changed(changes, f"m{after}", has_more=len(events) == self.limit)

        return await self.connection.run(read)

    async def present(self) -> tuple[str, datetime]:
        """The token of the present, and the server's time."""

        async def read() -> tuple[str, datetime]:
            async with await self.connection.database.client.start_session() as session:
                # What was written since the call began may be skipped: the present is where the call ends.
                _, token = await self._events(session, 1)
                return token, _server_time(session) or _moment(token)

        return await self.connection.run(read)

    async def listed(self, moment: datetime, import_id: str, token: str) -> Changed:
        """What comes after a place in the order of ``updated_at``; the token is the present of its beginning."""
        moment = max(moment, _EPOCH)
        later = {"$or": [{"updated_at": {"$gt": moment}}, {"updated_at": moment, "_id": {"$gt": import_id}}]}
        # The first condition bounds the walk over the index; the second is exact.
        wanted = {"organization_id": self.organization_id, "updated_at": {"$gte": moment}, "deleted_at": None, **later}
        imports = self.connection.collection(IMPORTS)
        cursor = imports.find(wanted).sort([("updated_at", 1), ("_id", 1)]).limit(self.limit).hint(CHANGED.name)
        found = [to_import(one) for one in await self.connection.run(lambda: cursor.to_list(None))]
        changes = [Change(one, _listed_position(one, token)) for one in found]
        position = changes[-1].position if len(changes) == self.limit else f"m{token}"
        return Changed(changes, position, has_more=True)

    async def _events(
        self, session: AsyncIOMotorClientSession, limit: int, token: str | None = None
    ) -> tuple[Sequence[Mapping[str, Any]], str]:
        """Events after the token, or the present, and the token after all that the server has looked at."""
        options: dict[str, Any] = {} if token is None else {"resume_after": {"_data": token}}
        stream = self.connection.collection(IMPORTS).watch(
            _pipeline(self.organization_id),
            batch_size=limit,
            max_await_time_ms=_AWAIT_MILLISECONDS,
            session=session,
            **options,
        )
        events: list[Mapping[str, Any]] = []
        async with stream:
            while (event := await stream.try_next()) is not None:
                events.append(event)
                if len(events) == limit:
                    break
            return events, stream.resume_token["_data"]

    async def _changes(
        self, session: AsyncIOMotorClientSession, events: Sequence[Mapping[str, Any]]
    ) -> Sequence[Change]:
        """What the events tell, each import at its last write: those before it are left out, also where the last one is
        beyond these events.
        """
        if not events:
            return ()
        ids = list({event["documentKey"]["_id"] for event in events})
        wanted = {"_id": {"$in": ids}, "organization_id": self.organization_id, "deleted_at": None}
        cursor = self.connection.collection(IMPORTS).find(wanted, session=session)
        found = {one["_id"]: one for one in await cursor.to_list(None)}
        changes = []
        for event in events:
            document = found.get(event["documentKey"]["_id"])
            if document is not None and document["change"]["revision"] <= event["revision"]:
                changes.append(Change(to_import(document), f"m{event['_id']['_data']}"))
        return changes


def _pipeline(organization_id: str) -> Sequence[Mapping[str, Any]]:
    """The events of an organisation; no more of them than who was written, and what revision, leaves the server."""
    added = {"operationType": "insert", "fullDocument.change.organization_id": organization_id}
    changed = {"operationType": "update", "updateDescription.updatedFields.change.organization_id": organization_id}
    revision = {"$ifNull": ["$fullDocument.change.revision", "$updateDescription.updatedFields.change.revision"]}
    return [{"$match": {"$or": [added, changed]}}, {"$project": {"documentKey": 1, "revision": revision}}]


def _moment(token: str) -> datetime:
    """The second of a token."""
    return datetime.fromtimestamp(int(token[2:10], 16), UTC)


def _server_time(session: AsyncIOMotorClientSession) -> datetime | None:
    """The second of the server's last answer in the session; None where it did not tell."""
    time: Any = session.operation_time
    return None if time is None else datetime.fromtimestamp(time.time, UTC)


def _listed_position(document: Import, token: str) -> str:
    return f"l{(document.updated_at - _EPOCH) // _MILLISECOND:014}-{document.id}.{token}"
