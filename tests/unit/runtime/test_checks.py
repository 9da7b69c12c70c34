"""``lading check`` cleans up after its probes, however they end, and creates no folders that stay."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.contracts import ObjectMetadata
from lading.plugins.errors import StorageDenied, StorageUnavailable
from lading.service.config import Settings
from lading.service.config.components import load_components
from lading.service.runtime import checks


class Failing(MemoryStorage):
    """Fails in one of its calls, or stops there, after the call has had its effect."""

    def __init__(self, call: str, error: Exception | None) -> None:
        super().__init__(MemoryStorageOptions())
        self.call = call
        self.error = error
        self.reached = asyncio.Event()
        self.keys: set[str] = set()

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        await super().save(key, chunks, metadata)
        self.keys.add(key)
        if self.call == "save":
            self.reached.set()
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()

    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Any:
        if self.call == "open" and self.error is not None:
            raise self.error
        return super().open(key, offset=offset, length=length)

    async def delete(self, key: str) -> None:
        await super().delete(key)
        self.keys.discard(key)


@pytest.mark.gen_test
@pytest.mark.parametrize("call", ["save", "open"])
async def test_a_probe_that_fails_leaves_no_object(call: str) -> None:
    storage = Failing(call, StorageUnavailable("as the test wants it"))
    with pytest.raises(StorageUnavailable):
        await checks._save_and_delete(storage)
    assert storage.keys == set()


@pytest.mark.gen_test
async def test_a_probe_that_is_interrupted_leaves_no_object() -> None:
    storage = Failing("save", None)
    probe = asyncio.create_task(checks._save_and_delete(storage))
    await storage.reached.wait()
    assert len(storage.keys) == 1
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert storage.keys == set()


@pytest.mark.gen_test
async def test_the_first_error_is_told_if_cleaning_up_fails_too() -> None:
    class Denying(Failing):
        async def delete(self, key: str) -> None:
            raise StorageDenied(key)

    with pytest.raises(StorageUnavailable):
        await checks._save_and_delete(Denying("open", StorageUnavailable("as the test wants it")))


def test_new_folders_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    wanted = [tmp_path / name for name in ("old/new/deep", "new/deep", "used/deep", "old")]

    def interrupted() -> None:
        with checks._without_new_folders(wanted):
            for folder in wanted:
                (folder / "below").mkdir(parents=True)
            (tmp_path / "used" / "by a service").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert found == {"old", "old/below", "used", "used/by a service"}


@pytest.mark.gen_test
async def test_a_check_tries_the_audit_file_and_leaves_it_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    components = load_components(settings)
    old = tmp_path / "old.jsonl"
    old.write_text("a line\n")

    async def fault(path: Path) -> list[str]:
        audit = settings.audit.model_copy(update={"file": path})
        return await checks.probe(replace(settings, audit=audit), components)

    assert [await fault(path) for path in (old, tmp_path / "new.jsonl")] == [[], []]
    assert (list(tmp_path.iterdir()), old.read_text()) == ([old], "a line\n")
    assert await fault(tmp_path) == [f"[audit] file: {tmp_path} cannot be written: Is a directory"]
    none = tmp_path / "none" / "new.jsonl"
    assert await fault(none) == [f"[audit] file: {none} cannot be written: No such file or directory"]


@pytest.mark.gen_test
async def test_nothing_stays_of_a_check_of_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    components = load_components(settings)
    assert await checks.probe(settings, components) == []
    assert list(tmp_path.iterdir()) == []
    several = replace(settings, service=settings.service.model_copy(update={"processes": 2}))
    memory = replace(several, documents=settings.documents.model_copy(update={"backend": "memory"}))
    assert await checks.probe(memory, components) == [
        "[documents] backend: is memory: several processes cannot share it"
    ]
