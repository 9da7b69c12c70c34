"""What the cases of the document store suite share: a clock to set, documents to store, and how a store is opened."""

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from lading.service.documents import DocumentStore
from lading.service.documents.queue import Selection
from lading.service.models import Failure, Image, Import, Status
from lading.service.models.clock import Clock, truncate_to_milliseconds

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)

FAILURE = Failure(code="fetch_timeout", detail="Zu langsam: “connect” 🐌\n\0'\"", retryable=True)
IMAGE = Image(
    format="PNG",
    content_type="image/png",
    width=20_000,
    height=1,
    frames=1000,
    byte_size=2**40,
    sha256="0f" * 32,
    storage="local",
    key="ab/cd/abcd",
    filename="../Zürich \0🖼.png",
)


class SettableClock:
    """A clock that stands still until it is moved. Like a real one it has microseconds."""

    def __init__(self) -> None:
        self._now = datetime(2026, 2, 3, 4, 5, 6, 789_123, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def move(self, by: timedelta) -> None:
        self._now += by


async def count_queued(store: DocumentStore) -> int:
    """The number of queued imports, up to 1000."""
    return len(await store.queue.entries(Selection(Status.QUEUED), 1000))


def make_import(clock: Clock, **changes: Any) -> Import:
    """A queued import that is due, with an id of its own."""
    now = truncate_to_milliseconds(clock.now())
    document = Import(
        id=str(uuid.uuid4()),
        organization_id="organization",
        issuer_id="issuer",
        params={"url": "http://origin.example/image.png", "controller": "api/v1/imports", "action": "create"},
        created_at=now,
        updated_at=now,
        run_at=now,
        status=Status.QUEUED,
        host="origin.example",
        request_id="request-1",
    )
    return replace(document, **changes)


def make_imports(clock: SettableClock, number: int, **changes: Any) -> list[Import]:
    return [make_import(clock, **changes) for _ in range(number)]


async def add_all(store: DocumentStore, documents: Iterable[Import]) -> None:
    await asyncio.gather(*map(store.add, documents))


async def stored(store: DocumentStore, document: Import) -> Import:
    """The stored state of a document that must be there."""
    found = await store.get(document.id)
    assert found is not None
    return found


class DocumentStoreCases(ABC):
    """Base of the groups of cases.

    Class attributes:
        not_durable: why a store that is opened again does not have what was stored before; empty where it has.
    """

    not_durable: ClassVar[str] = ""

    @abstractmethod
    def make_store(self, clock: SettableClock) -> DocumentStore:
        """A store that is not open yet and judges time by ``clock``.

        The first one of a test is empty; a durable one made later in the same test has the same documents.
        """

    @asynccontextmanager
    async def opened(self, clock: SettableClock) -> AsyncIterator[DocumentStore]:
        store = self.make_store(clock)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    def skip_unless_durable(self) -> None:
        if self.not_durable:
            pytest.skip(self.not_durable)
