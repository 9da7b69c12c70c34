"""A claimed import, and what an attempt at it needs."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from lading.plugins.contracts import ImageInfo, ObjectMetadata, Source, StoredObject
from lading.plugins.errors import DetectError, PluginError, ProcessError, StorageError
from lading.service.models import Import
from lading.service.models.clock import TimeCounter
from lading.service.work.retries import RetryPolicy
from tests.support.clock import SettableClock
from tests.support.core import Core
from tests.support.plugins.processors import Act, guarded, raising

MOST_PROCESSED = 200_000


class Shop(Core):
    """A core whose clock stands still, and whose import is claimed already."""

    clock: SettableClock
    document: Import

    async def claim(self, **changes: Any) -> Import:
        (document,) = await self.add(**changes)
        if "worker" not in self.store.leases:
            await self.store.register("worker", timedelta(days=1))
        (self.document,) = await self.store.claim("worker", 1)
        assert self.document.id == document.id
        return self.document

    def fetch_raises(self, error: BaseException) -> None:
        async def fail(_source: Source) -> None:
            raise error

        self.fetcher.on_open = fail

    async def result(self) -> Import:
        return await self.get(self.document)


@asynccontextmanager
async def claimed(
    *, attempts: int = 3, write_timeout: float = 5.0, counter: TimeCounter | None = None, **changes: Any
) -> AsyncIterator[Shop]:
    shop = Shop(clock=SettableClock(), counter=counter, attempts=attempts, write_timeout=write_timeout)
    shop.attempts = replace(shop.attempts, retry=RetryPolicy(attempts, 2, 600))
    async with shop.opened():
        await shop.claim(**changes)
        yield shop


def use_processor(shop: Core, act: Act) -> None:
    shop.importer._processing = replace(shop.importer._processing, processors=[guarded(act)], max_bytes=MOST_PROCESSED)


async def raise_where_it_belongs(shop: Shop, error: PluginError) -> None:
    """Errors of storage, detectors and processors come from there, and all others from a fetcher."""

    async def save(key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        raise error

    def open_(key: str, *, offset: int = 0, length: int | None = None) -> AbstractAsyncContextManager[StoredObject]:
        raise error

    async def detect(path: Path) -> ImageInfo:
        raise error

    async def exists_not(_source: Source) -> None:
        raise error

    if isinstance(error, StorageError):
        shop.backend.save = save  # type: ignore[method-assign]
        shop.backend.open = open_  # type: ignore[assignment,method-assign]  # asked where "save" says that the object exists
    elif isinstance(error, DetectError):
        shop.detector.on_detect = detect
    elif isinstance(error, ProcessError):
        use_processor(shop, raising(error))
    else:
        shop.fetcher.on_open = exists_not
