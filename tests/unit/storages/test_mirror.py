"""Each image is kept twice, and an outage of the mirror stops no import."""

import asyncio
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import lading.service.storages.backfill
import lading.service.storages.mirror
import lading.service.storages.sweep
from lading.backends.guard.capabilities import files_of
from lading.backends.guard.storage import GuardedStorage
from lading.backends.local.storage import LocalStorage, LocalStorageOptions
from lading.plugins.contracts import ObjectMetadata
from lading.plugins.errors import StorageFull, StorageUnavailable
from lading.service.models import Image
from lading.service.secrets.vault import Vault
from lading.service.storages.mirror import Mirror
from lading.service.storages.spool import Spools
from lading.service.work.pipeline.importer import Importer
from tests.support.importing import DATA, DOCUMENT, Shop, TakesFiles, shop_of
from tests.support.plugins.scripted import pieces, until
from tests.support.plugins.storages import ScriptedStorage, failing

DOWN = StorageUnavailable("the mirror is down")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.storages.sweep, "PAUSE", 0.0001)


def mirrored(shop: Shop, backend: ScriptedStorage) -> Importer:
    return Importer(
        fetchers={"test": shop.fetcher},
        detectors=shop.detectors,
        storage=GuardedStorage(shop.storage, name="memory"),
        storage_name="memory",
        spools=shop.spools,
        vault=Vault(),
        mirror=Mirror(GuardedStorage(backend, name="mirror")),
    )


async def image_of(importer: Importer) -> Image:
    return (await importer.run(DOCUMENT)).image


@pytest.mark.gen_test
async def test_an_import_is_in_both_when_it_is_done() -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        image = await image_of(mirrored(shop, backend))
        assert (image.storage, image.mirror, image.is_mirrored) == ("memory", "mirror", True)
        assert shop.stored == backend.objects == {DOCUMENT.storage_key: DATA}
        assert image.places == ("memory", "mirror")


@pytest.mark.gen_test
async def test_a_mirror_that_takes_files_is_given_the_file() -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        importer, files = mirrored(shop, backend), TakesFiles(backend)
        mirror = Mirror(GuardedStorage(backend, name="mirror"), files)
        importer._storing = replace(importer._storing, mirror=mirror)
        image = await image_of(importer)
        assert (image.is_mirrored, files.saved) == (True, 1)
        assert shop.stored == backend.objects == {DOCUMENT.storage_key: DATA}


@pytest.mark.gen_test
async def test_a_file_becomes_two_objects_on_one_disk(tmp_path: Path) -> None:
    """Its file may become the first; the second is a file of its own."""
    here = [GuardedStorage(LocalStorage(LocalStorageOptions(path=tmp_path / name)), name=name) for name in ("a", "b")]
    with shop_of() as shop:
        for storage in here:
            await storage.ping()
        files = files_of(here[0])
        assert files is not None
        made: list[int] = []

        def make_file() -> int | None:
            descriptor = files.make_file()
            if descriptor is None:
                pytest.skip("this file system has no files without a name")
            made.append(os.fstat(descriptor).st_ino)
            return descriptor

        importer = Importer(
            fetchers={"test": shop.fetcher},
            detectors=shop.detectors,
            storage=here[0],
            storage_name="a",
            files=files,
            spools=Spools(0, None, shop.executor, make_file),
            vault=Vault(),
            mirror=Mirror(here[1], files_of(here[1])),
        )
        image = await image_of(importer)
        stored = [tmp_path / name / DOCUMENT.storage_key for name in ("a", "b")]
        assert image.is_mirrored
        assert [path.read_bytes() for path in stored] == [DATA, DATA]
        assert [stored[0].stat().st_ino] == made, "the file has become the first object"
        assert stored[1].stat().st_ino not in made
        for storage in here:
            await storage.close()


@pytest.mark.gen_test
async def test_without_a_mirror_there_is_one_copy() -> None:
    with shop_of() as shop:
        image = (await shop.importer.run(DOCUMENT)).image
        assert (image.mirror, image.is_mirrored, image.places) == (None, False, ("memory",))


@pytest.mark.parametrize("error", [DOWN, StorageFull("full"), RuntimeError("a bug in the plugin")])
@pytest.mark.gen_test
async def test_a_mirror_that_fails_fails_no_import(error: Exception) -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        backend.before = failing(error, "save")
        with capture_logs() as lines:
            image = await image_of(mirrored(shop, backend))
        assert (image.mirror, image.is_mirrored) == ("mirror", False)
        assert shop.stored == {DOCUMENT.storage_key: DATA}
        assert [line["component"] for line in lines if line["event"] == "a component is down"] == ["the mirror mirror"]


@pytest.mark.gen_test
async def test_a_mirror_that_fails_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        importer = mirrored(shop, backend)
        backend.before = failing(DOWN, "save")
        assert not (await image_of(importer)).is_mirrored
        shop.storage._objects.clear()
        assert not (await image_of(importer)).is_mirrored
        assert len(backend.calls) == 1, "no import waits for it"
        monkeypatch.setattr(importer._storing.mirror, "_resume_at", 0.0)
        shop.storage._objects.clear()
        backend.before = None
        assert (await image_of(importer)).is_mirrored
        assert [name for name, _ in backend.calls] == ["save", "ping", "save"], "it may have to prepare itself"


@pytest.mark.gen_test
async def test_one_import_tries_a_mirror_that_hangs_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = ObjectMetadata(len(DATA), hashlib.sha256(DATA).hexdigest(), "image/png")
    with shop_of() as shop, shop.spools.open() as spool:
        await spool.fill(pieces(DATA))
        backend = ScriptedStorage()
        mirror = Mirror(GuardedStorage(backend, name="mirror"))
        backend.before = failing(DOWN, "save", times=1)
        assert not await mirror.save("a", spool, metadata)
        answers = asyncio.Event()

        async def hangs(_name: str, _key: str) -> None:
            await answers.wait()

        backend.before = hangs
        monkeypatch.setattr(mirror, "_resume_at", 0.0)
        trying = asyncio.create_task(mirror.save("b", spool, metadata))
        await until(lambda: backend.calls[-1] == ("ping", ""))
        async with asyncio.timeout(10):
            assert not await mirror.save("c", spool, metadata)
        answers.set()
        assert await trying
        assert await mirror.save("d", spool, metadata), "it works again, for all"


class Unreadable(TakesFiles):
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        raise OSError("the bytes of a spool were changed")


@pytest.mark.gen_test
async def test_a_body_that_cannot_be_read_for_the_mirror_fails_no_import() -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        importer = mirrored(shop, backend)
        mirror = Mirror(GuardedStorage(backend, name="mirror"), Unreadable(backend))
        importer._storing = replace(importer._storing, mirror=mirror)
        image = await image_of(importer)
        assert (image.mirror, image.is_mirrored) == ("mirror", False)
        assert shop.stored == {DOCUMENT.storage_key: DATA}
        assert not mirror._failed, "it is no fault of the mirror"


@pytest.mark.gen_test
async def test_what_an_earlier_attempt_left_in_the_mirror_is_compared_later() -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        importer = mirrored(shop, backend)
        await image_of(importer)
        again = await image_of(importer)
        assert (again.mirror, again.is_mirrored) == ("mirror", False)
        shop.storage._objects.clear()
        third = await image_of(importer)
        assert not third.is_mirrored, "who saved it is not known"
