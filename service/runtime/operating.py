"""Opens what operators' commands on the queue need: the documents, without the plugins and the storages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from ..config import Settings
from ..documents import DocumentStore
from ..imports.actions import Lives
from ..imports.bulk import Bulk
from ..models.clock import Clock
from ..secrets.vault import Vault
from ..webhooks.outbox import Outbox
from ..webhooks.wiring import make_outbox
from ..work.backlog import Backlog
from ..work.changes import Changes
from .wiring import opened_store


@asynccontextmanager
async def open_bulk(settings: Settings, clock: Clock) -> AsyncIterator[Bulk]:
    """Open the document store; close it on exit. Workers and announcers of other processes notice by polling what is
    written here.

    Raises:
        SettingsError, StoreUnavailable: see ``opened_store``.
    """
    async with opened_store(settings, clock) as store:
        vault = Vault([key.get_secret_value() for key in settings.documents.encryption_keys])
        async with bulk_on(store, settings, clock, make_outbox(settings, store, vault), Changes()) as bulk:
            yield bulk


@asynccontextmanager
async def bulk_on(
    store: DocumentStore, settings: Settings, clock: Clock, outbox: Outbox, changes: Changes
) -> AsyncIterator[Bulk]:
    """The same on a store that is open, or will be."""
    backlog = Backlog(store, settings.worker.backlog)
    try:
        lives = Lives(
            store=store,
            backlog=backlog,
            changes=changes,
            outbox=outbox,
            clock=clock,
            accepted=lambda _: None,
            stopped=lambda _: None,
            discard=_left_to_the_sweep,
            expire_after=timedelta(seconds=settings.uploads.expire_after),
        )
        yield Bulk(store, lives)
    finally:
        await backlog.close()


async def _left_to_the_sweep(_import_id: str) -> None:
    """The folder of uploads may be on another machine, whose service removes what has come of a cancelled upload."""
