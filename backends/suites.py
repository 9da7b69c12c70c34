"""The kit's suites for the built-in backends: entry points for ``lading plugins check``, and for tests.

With options of ``service.conf``, the suites start from them, and change only what the cases need.
"""

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import ClassVar, Final

from ..plugins.contracts import StorageBackend
from ..plugins.testing import StorageBackendSuite, Trouble
from .local.storage import LocalStorage, LocalStorageOptions
from .memory import MemoryStorage, MemoryStorageOptions

MEMORY_BYTES: Final = 64 * 1024**2
"""More than the cases save at a time."""


class LocalSuite(StorageBackendSuite):
    """``LocalStorage``, in a folder of the case's own.

    If a path is configured, that folder is below it, since file systems differ: its name begins with a dot, unlike any
    key, and it is removed after the case.
    """

    unsupported: ClassVar[Mapping[str, str]] = {
        Trouble.SILENT: "a call to a disk that hangs ends when the disk answers",
        Trouble.ANSWER_LOST: "a disk loses no answer",
        **({Trouble.DENIED: "root may read and write everything"} if os.geteuid() == 0 else {}),
    }
    troubles: Collection[Trouble] = (Trouble.DOWN, Trouble.GONE, Trouble.DENIED)

    @asynccontextmanager
    async def troubled(self, trouble: Trouble) -> AsyncIterator[None]:
        if trouble is Trouble.DENIED:
            self.place.chmod(0)
            try:
                yield
            finally:
                self.place.chmod(0o750)
            return
        aside = self.place.with_name(f"{self.place.name}-aside")
        self.place.rename(aside)
        if trouble is Trouble.DOWN:
            self.place.mkdir()  # the folder that a volume is mounted on is there without the volume
        try:
            yield
        finally:
            shutil.rmtree(self.place, ignore_errors=True)
            aside.rename(self.place)

    async def leftovers(self) -> Collection[str]:
        return [path.name for path in (self.place / ".incoming").iterdir()]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        if not isinstance(self.configured, LocalStorageOptions):
            yield
            return
        self.place = self.configured.path / f".check-{secrets.token_hex(8)}"
        try:
            yield
        finally:
            shutil.rmtree(self.place, ignore_errors=True)

    def make_backend(self) -> StorageBackend:
        options = self.configured if isinstance(self.configured, LocalStorageOptions) else LocalStorageOptions()
        return LocalStorage(options.model_copy(update={"path": self.place}))

    async def read_raw(self, key: str) -> bytes | None:
        path = self.place / key
        return path.read_bytes() if path.is_file() else None

    async def write_raw(self, key: str, body: bytes) -> None:
        path = self.place / key
        path.parent.mkdir(parents=True, exist_ok=True)
        new = self.place / ".new"  # an object is replaced at once, as by whoever restores a copy
        new.write_bytes(body)
        new.replace(path)


class MemorySuite(StorageBackendSuite):
    """``MemoryStorage``, with room for the largest object of the cases."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "bounded_memory": "memory is where it keeps objects",
        **dict.fromkeys(Trouble, "memory has no troubles of its own"),
    }
    memory: MemoryStorage

    def make_backend(self) -> StorageBackend:
        options = self.configured if isinstance(self.configured, MemoryStorageOptions) else MemoryStorageOptions()
        room = max(options.max_total_bytes, MEMORY_BYTES)
        self.memory = MemoryStorage(options.model_copy(update={"max_total_bytes": room}))
        return self.memory

    async def read_raw(self, key: str) -> bytes | None:
        body = self.memory._objects.get(key)  # noqa: SLF001 - around the backend, as it is meant to be
        return None if body is None else bytes(body)

    async def write_raw(self, key: str, body: bytes) -> None:
        self.memory._objects[key] = bytearray(body)  # noqa: SLF001 - as above
        self.memory._saved_at[key] = datetime.now(UTC)  # noqa: SLF001 - as above
