"""The importer gives the file that an image waits in to a storage that saves files."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from lading.backends.guard.capabilities import GuardedFiles, files_of
from lading.backends.guard.storage import GuardedStorage
from lading.backends.local.storage import LocalStorage, LocalStorageOptions
from lading.plugins.contracts import ImageInfo, ObjectMetadata
from lading.plugins.errors import ContentMismatch, KeyInvalid, PluginFault
from lading.service.storages.saving import Saving
from tests.support.importing import DATA, DOCUMENT, Shop, Storage, TakesFiles, shop_of
from tests.support.plugins.scripted import INFO


def taking_files(shop: Shop) -> TakesFiles:
    files = TakesFiles(shop.storage)
    saving = Saving(shop.storage, "memory", files)
    shop.importer._storing = replace(shop.importer._storing, routed=lambda _document: saving)
    return files


@pytest.mark.gen_test
async def test_what_is_saved_is_the_file(tmp_path: Path) -> None:
    with shop_of() as shop:
        files = taking_files(shop)
        outcome = await shop.importer.run(DOCUMENT)
        assert files.saved == 1
        assert shop.stored == {DOCUMENT.storage_key: DATA}
        assert (outcome.image.byte_size, outcome.image.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
        again = await shop.importer.run(DOCUMENT)
        assert again.image == outcome.image, "the key is taken: it is what the first attempt has stored"


@pytest.mark.gen_test
async def test_a_file_that_a_detector_has_changed_is_not_saved() -> None:
    async def detect(path: Path) -> ImageInfo:
        await asyncio.sleep(0.02)
        with path.open("r+b") as file:
            file.write(b"other")
        return INFO

    with shop_of() as shop:
        files = taking_files(shop)
        shop.detectors[0].on_detect = detect
        with pytest.raises(OSError, match=r"were changed|not permitted"):
            await shop.importer.run(DOCUMENT)
        assert files.saved == 0
        assert shop.stored == {}


@pytest.mark.gen_test
async def test_the_guard_cares_for_files_too(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"image")
    metadata = ObjectMetadata(5, hashlib.sha256(b"image").hexdigest(), "image/png")
    guard = GuardedStorage(LocalStorage(LocalStorageOptions(path=tmp_path / "root")), name="here")
    await guard.ping()
    try:
        files = files_of(guard)
        assert files is not None
        with pytest.raises(KeyInvalid):
            await files.save_file("../out", body, metadata)
        with pytest.raises(ContentMismatch) as caught:
            await files.save_file("ab/c", tmp_path / "root" / ".." / "body", ObjectMetadata(6, "", "image/png"))
        assert caught.value.plugin == "here"
        await files.save_file("ab/c", body, metadata)
        assert await guard.exists("ab/c")
    finally:
        await guard.close()


@pytest.mark.gen_test
async def test_what_a_plugin_raises_while_it_makes_a_file_harms_nobody() -> None:
    storage = Storage()
    guard = GuardedStorage(storage, name="memory")
    assert files_of(guard) is None
    files = GuardedFiles(guard, TakesFiles(storage))
    assert files.make_file() is None


class Raises(TakesFiles):
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        raise LookupError("by design")


@pytest.mark.gen_test
async def test_what_a_plugin_raises_while_it_saves_a_file_is_its_fault(tmp_path: Path) -> None:
    storage = Storage()
    files = GuardedFiles(GuardedStorage(storage, name="memory"), Raises(storage))
    with pytest.raises(PluginFault):
        await files.save_file("ab/c", tmp_path, ObjectMetadata(0, "", "image/png"))
