"""A backup has what its documents need, and tells what was deleted meanwhile from what is lost."""

import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import lading.service.storages.sweep
from lading.backends.guard.storage import GuardedStorage
from lading.backends.local.storage import LocalStorage, LocalStorageOptions
from lading.plugins.errors import ContentMismatch, ObjectNotFound
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.models import Import, Status
from lading.service.storages.backup.archive import Entry, State
from lading.service.storages.backup.folders import BackupRefused
from lading.service.storages.backup.taking import Taking
from lading.service.storages.routes import Storages
from lading.service.storages.sweep import GIVE_UP_AFTER, Failed
from tests.e2e.storages.test_storage_copy import files
from tests.support.clock import SettableClock
from tests.support.images import noise, store_image
from tests.support.plugins.scripted import make_import
from tests.support.plugins.storages import ScriptedStorage


class Site:
    """A service's documents and storages, ``disk``, ``other`` and ``cloud``, and a backup of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SettableClock()
        self.live = MemoryDocumentStore(self.clock)
        self.copied = MemoryDocumentStore(self.clock)
        self.guards = {name: _local(folder, name) for name in ("disk", "other")}
        self.guards["cloud"] = GuardedStorage(ScriptedStorage(), name="cloud", deadline=30.0)
        self.target = _local(folder, "backup")

    async def add(self, seed: int = 1, storage: str = "disk", **changes: object) -> Import:
        """An image that is done, in the service and in the copied database."""
        data = noise(1000 + seed, seed)
        stored = await store_image(self.live, self.guards[storage], storage, self.clock, data, **changes)
        await self.copied.add(stored.document)
        return stored.document

    def path(self, document: Import, storage: str = "disk") -> Path:
        return self.folder / storage / document.storage_key

    async def taken(self, *, with_images: bool = True) -> tuple[list[Entry], list[Failed]]:
        """The entries of the manifest, and the failures."""
        entries: list[Entry] = []
        failures: list[Failed] = []
        manifest = io.StringIO()

        def tell(entry: Entry, failure: Failed | None) -> None:
            entries.append(entry)
            failures.extend([] if failure is None else [failure])

        target = self.target if with_images else None
        taking = Taking(self.live, self.copied, Storages(self.guards, "disk", None), target, manifest, tell, _rng())
        await taking.run()
        assert manifest.getvalue() == "".join(entry.line() for entry in entries)
        assert sum(taking.objects.values()) == len(entries)
        return entries, failures


def _rng() -> random.Random:
    return random.Random(1)


def _local(folder: Path, name: str) -> GuardedStorage:
    return GuardedStorage(LocalStorage(LocalStorageOptions(path=folder / name)), name=name, deadline=30.0)


@asynccontextmanager
async def site_in(folder: Path) -> AsyncIterator[Site]:
    site = Site(folder)
    await site.live.open()
    await site.copied.open()
    for guard in (*site.guards.values(), site.target):
        await guard.ping()
    try:
        yield site
    finally:
        for guard in (*site.guards.values(), site.target):
            await guard.close()


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.storages.sweep, "PAUSE", 0.001)


@pytest.mark.gen_test
async def test_each_image_is_copied_once_wherever_it_is(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        documents = [await site.add(1), await site.add(2, "other"), await site.add(3, "cloud")]
        mirrored = await site.add(4, mirror="other", is_mirrored=True)
        entries, failures = await site.taken()
        assert failures == []
        assert {entry.import_id: entry.state for entry in entries} == {
            documents[0].id: State.COPIED,
            documents[1].id: State.COPIED,
            documents[2].id: State.LISTED,
            mirrored.id: State.COPIED,
        }
        for entry in entries:
            found = await site.copied.get(entry.import_id)
            assert found is not None
            assert found.image is not None
            assert (entry.key, entry.byte_size, entry.sha256) == (
                found.image.key,
                found.image.byte_size,
                found.image.sha256,
            )
            assert entry.places == (("disk", "other") if found == mirrored else (found.image.storage,))
        assert files(tmp_path / "backup") == {
            documents[0].id: noise(1001, 1),
            documents[1].id: noise(1002, 2),
            mirrored.id: noise(1004, 4),
        }


@pytest.mark.gen_test
async def test_an_image_of_a_cloud_is_taken_from_the_disk_that_mirrors_it(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        cloud = site.guards["cloud"].backend
        assert isinstance(cloud, ScriptedStorage)
        site.guards = {"cloud": site.guards.pop("cloud"), **site.guards}  # the first that is configured
        mirrored = await site.add(1, "cloud", mirror="disk", is_mirrored=True)
        copy = site.path(mirrored)
        copy.parent.mkdir(parents=True)
        copy.write_bytes(noise(1001, 1))
        entries, failures = await site.taken()
        assert (failures, [entry.state for entry in entries]) == ([], [State.COPIED])
        assert ("open", mirrored.storage_key) not in cloud.calls


@pytest.mark.gen_test
async def test_without_images_they_are_listed(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        await site.add()
        entries, _ = await site.taken(with_images=False)
        assert [entry.state for entry in entries] == [State.LISTED]
        assert files(tmp_path / "backup") == {}


@pytest.mark.gen_test
async def test_the_mirror_has_what_the_main_storage_lost(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        document = await site.add(1, "other")
        assert document.image is not None
        mirrored = await site.add(1, mirror="other", is_mirrored=True)
        site.path(mirrored, "other").parent.mkdir(exist_ok=True)
        site.path(mirrored).rename(site.path(mirrored, "other"))
        entries, failures = await site.taken()
        assert ([entry.state for entry in entries], failures) == ([State.COPIED, State.COPIED], [])


async def _forget(site: Site, document: Import) -> None:
    """Its document goes too."""
    assert await site.live.remove(document)
    site.path(document).unlink()


async def _delete(site: Site, document: Import) -> None:
    assert await site.live.update(document.image_deleted(site.clock.now()))
    site.path(document).unlink()


async def _move(site: Site, document: Import) -> None:
    assert await site.live.update(document.image_moved("other", site.clock.now()))
    site.path(document, "other").parent.mkdir(exist_ok=True)
    site.path(document).rename(site.path(document, "other"))


async def _lose(site: Site, document: Import) -> None:
    site.path(document).unlink()


async def _change(site: Site, document: Import) -> None:
    site.path(document).write_bytes(noise(1001, 99))


@pytest.mark.parametrize(
    ("happens", "state", "failure"),
    [
        (_forget, State.DELETED, None),
        (_delete, State.DELETED, None),
        (_move, State.COPIED, None),
        (_lose, State.FAILED, ObjectNotFound),
        (_change, State.FAILED, ContentMismatch),
    ],
)
@pytest.mark.gen_test
async def test_what_happens_after_the_database_was_copied(
    tmp_path: Path, happens: Callable[[Site, Import], Awaitable[None]], state: State, failure: type[Exception] | None
) -> None:
    async with site_in(tmp_path) as site:
        document, other = await site.add(1), await site.add(2)
        await happens(site, document)
        entries, failures = await site.taken()
        assert {entry.import_id: entry.state for entry in entries} == {document.id: state, other.id: State.COPIED}
        assert [type(one) for one in failures] == ([] if failure is None else [failure])
        kept = {other.id, document.id} if state is State.COPIED else {other.id}
        assert files(tmp_path / "backup").keys() == kept, "nothing but imported bytes"


@pytest.mark.gen_test
async def test_a_shared_object_without_an_owner_is_that_of_its_first_sharer(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        document = await site.add()
        assert document.image is not None
        for _ in range(2):
            sharer = make_import(site.clock, status=Status.RUNNING).duplicated(document.image, "url", site.clock.now())
            for store in (site.live, site.copied):
                await store.add(sharer)
        entries, _ = await site.taken()
        assert [entry.import_id for entry in entries] == [document.id]
        for store in (site.live, site.copied):  # the database was copied before a sharer adopted the object
            assert await store.update(document.image_deleted(site.clock.now()))
        heir = await site.copied.heir(document.storage_key)
        assert heir is not None
        entries, failures = await site.taken()
        assert ([(one.import_id, one.key, one.state) for one in entries], failures) == (
            [(heir.id, document.storage_key, State.COPIED)],
            [],
        )


@pytest.mark.gen_test
async def test_a_storage_that_lost_everything_is_no_backup(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        for seed in range(GIVE_UP_AFTER + 5):
            await _lose(site, await site.add(seed))
        with pytest.raises(BackupRefused, match="20 images in a row"):
            await site.taken()
