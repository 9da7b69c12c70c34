"""A worker's own part in the crew: it keeps its record, and obeys what operators write into it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from ...documents import DocumentStore, DuplicateId, StoreUnavailable
from ...documents.contention import tries
from ...documents.records import Record
from ...models.clock import truncate_to_milliseconds
from .crew import KIND, Identity, Member, State

END_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


class Presence:
    """Keeps the record of a worker, and knows whether operators have drained the worker.

    Args:
        lease: for how long the record lives after each ``beat``.
        changed: called when the worker was drained or resumed.
        let_go: called while the worker is drained, until it returns True: the worker holds nothing.
    """

    def __init__(
        self,
        store: DocumentStore,
        identity: Identity,
        lease: timedelta,
        changed: Callable[[], None],
        let_go: Callable[[], Awaitable[bool]],
    ) -> None:
        self._store = store
        self._lease = lease
        self._changed = changed
        self._let_go = let_go
        self._record: Record | None = None
        # The heartbeat and the look both write the record.
        self._one_at_a_time = asyncio.Lock()
        now = self._now
        self._member = Member(identity, now, now + lease)

    @property
    def identity(self) -> Identity:
        """Which worker it is."""
        return self._member.identity

    @property
    def state(self) -> State:
        """Whether the worker begins imports, as it knows."""
        return self._member.state

    @property
    def drained_at(self) -> datetime | None:
        """When an operator drained the worker; None if nobody has."""
        return self._member.drained_at

    async def beat(self) -> None:
        """Say that the worker is alive.

        Raises:
            StoreUnavailable: the database does not answer. The next call tries again.
        """
        async with self._one_at_a_time:
            now = self._now
            self._member = replace(self._member, seen_at=now, lease_until=now + self._lease)
            await self._write()

    async def look(self) -> None:
        """Obey the record, and say in it when the drained worker holds nothing.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self._one_at_a_time:
            record = await self._store.records.get(KIND, self.identity.id)
            if record is None:
                return  # the next beat writes it
            self._obey(record)
            if self.state is State.DRAINING and await self._let_go():
                self._member = replace(self._member, is_idle=True)
                log.info("drained: the worker holds no import", worker=self.identity.id)
                await self._write()

    async def end(self) -> None:
        """Remove the record at a clean stop. If that takes longer than ``END_SECONDS``, the record expires."""
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._store.records.delete(KIND, self.identity.id)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("could not remove the record of the worker; it will expire", reason=str(error) or None)

    @property
    def _now(self) -> datetime:
        return truncate_to_milliseconds(self._store.clock.now())

    def _obey(self, record: Record) -> None:
        self._record = record
        drained_at = Member.of(record).drained_at
        was_drained = self.drained_at is not None
        if drained_at == self.drained_at:
            return
        is_drained = drained_at is not None
        self._member = replace(self._member, drained_at=drained_at, is_idle=False)
        if is_drained and not was_drained:
            log.warning("an operator drains this worker: it begins no more imports", worker=self.identity.id)
        elif was_drained and not is_drained:
            log.warning("an operator resumes this worker", worker=self.identity.id)
        self._changed()

    async def _write(self) -> None:
        """Write the record; whatever an operator wrote meanwhile is obeyed first, and stays."""
        async for _ in tries():
            member = self._member
            if self._record is None:
                record = member.record
                try:
                    await self._store.records.add(record)
                except DuplicateId:
                    await self._read()
                    continue
            else:
                record = self._record.changed(data=member.data, expires_at=member.lease_until)
                if not await self._store.records.replace(record):
                    await self._read()
                    continue
            self._record = record
            return

    async def _read(self) -> None:
        record = await self._store.records.get(KIND, self.identity.id)
        if record is None:
            self._record = None  # it has expired: the worker still knows its orders, and writes them again
        else:
            self._obey(record)
