"""An importer on scripted plugins and the reference storage."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from lading.backends.guard.storage import GuardedStorage
from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.capabilities import SupportsFiles
from lading.plugins.contracts import ImageInfo, ObjectMetadata, StorageBackend, StoredObject
from lading.plugins.host.processing import GuardedProcessor
from lading.service.secrets.vault import Vault
from lading.service.storages.spool import Spool, Spools
from lading.service.work.pipeline.duplicates import Duplicates
from lading.service.work.pipeline.importer import Importer
from tests.support.plugins.scripted import ScriptedDetector, ScriptedFetcher, body_of, make_import, pieces

DOCUMENT = make_import()
DATA = body_of(DOCUMENT.url or "")
OTHER = ImageInfo("JPEG", "image/jpeg", 30, 20, 2)
MOST_PROCESSED = 200_000


class Watched(Spools):
    """Spools that remember what they opened."""

    opened: list[Spool]

    @contextmanager
    def open(self) -> Iterator[Spool]:
        with super().open() as spool:
            self.opened.append(spool)
            yield spool


class Storage(MemoryStorage):
    """Keeps what it was told of each object; does something before a save or an open, if it is told to."""

    def __init__(self) -> None:
        super().__init__(MemoryStorageOptions())
        self.metadata: dict[str, ObjectMetadata] = {}
        self.before_save: Callable[[], Awaitable[None]] | None = None
        self.before_open: Callable[[], Awaitable[None]] | None = None

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        if self.before_save is not None:
            await self.before_save()
        await super().save(key, chunks, metadata)
        self.metadata[key] = metadata

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        if self.before_open is not None:
            await self.before_open()
        async with super().open(key, offset=offset, length=length) as stored:
            yield stored


class TakesFiles(SupportsFiles):
    """Saves files in a storage that takes none; counts them."""

    def __init__(self, storage: StorageBackend) -> None:
        self._storage = storage
        self.saved = 0

    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        self.saved += 1
        await self._storage.save(key, pieces(path.read_bytes()), metadata)

    def make_file(self) -> int | None:
        raise LookupError("by design")


class Shop:
    def __init__(
        self,
        detectors: Sequence[ScriptedDetector] | None = None,
        deadline: float = 30.0,
        processors: Sequence[GuardedProcessor] = (),
        duplicates: Duplicates | None = None,
    ) -> None:
        self.fetcher = ScriptedFetcher()
        self.detectors = [ScriptedDetector()] if detectors is None else list(detectors)
        self.storage = Storage()
        self.executor = ThreadPoolExecutor(1)
        self.spools = Watched(64, None, self.executor)
        object.__setattr__(self.spools, "opened", [])
        self.importer = Importer(
            fetchers={"test": self.fetcher},
            detectors=self.detectors,
            storage=GuardedStorage(self.storage, name="memory", deadline=deadline),
            storage_name="memory",
            spools=self.spools,
            vault=Vault(),
            processors=processors,
            max_processed_bytes=MOST_PROCESSED,
            duplicates=duplicates,
        )

    @property
    def stored(self) -> dict[str, bytes]:
        return {key: bytes(body) for key, body in self.storage._objects.items()}


@contextmanager
def shop_of(
    *detectors: ScriptedDetector,
    deadline: float = 30.0,
    processors: Sequence[GuardedProcessor] = (),
    duplicates: Duplicates | None = None,
) -> Iterator[Shop]:
    """What an importer needs; at the end every spool has to be closed."""
    shop = Shop(detectors or None, deadline, processors, duplicates)
    try:
        yield shop
        for spool in shop.spools.opened:
            with pytest.raises(ValueError, match="not filled"):
                spool.path  # noqa: B018
    finally:
        shop.executor.shutdown()


def answering(answer: ImageInfo | Exception) -> ScriptedDetector:
    detector = ScriptedDetector()

    async def detect(_path: Path) -> ImageInfo:
        if isinstance(answer, Exception):
            raise answer
        return answer

    detector.on_detect = detect
    return detector
