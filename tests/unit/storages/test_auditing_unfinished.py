"""An audit finds the saves that have begun and never ended, and ends them when asked to."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from lading.backends.guard.storage import GuardedStorage
from lading.plugins.capabilities import SupportsUnfinishedSaves, UnfinishedSave
from lading.plugins.errors import StorageDenied, StorageError, StorageUnavailable
from lading.service.storages.audit.compare import Auditor
from lading.service.storages.audit.report import Finding, Kind
from lading.service.storages.routes import Storages
from tests.support.plugins.storages import ScriptedStorage, Warehouse, warehouse

HOUR = timedelta(hours=1)


class Leaving(ScriptedStorage, SupportsUnfinishedSaves):
    """A storage with unfinished saves, which fails to list them when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.saves: list[UnfinishedSave] = []
        self.error: StorageError | None = None

    async def list_unfinished(self) -> AsyncIterator[UnfinishedSave]:
        for save in tuple(self.saves):
            yield save
        if self.error is not None:
            raise self.error

    async def end_unfinished(self, save: UnfinishedSave) -> None:
        self.saves.remove(save)


def auditor(
    shop: Warehouse, found: list[Finding], *, delete: bool = False, grace: timedelta = HOUR
) -> tuple[Auditor, Leaving]:
    storage = Leaving()
    now = shop.clock.now()
    storage.saves = [
        UnfinishedSave("ab/old", now - 3 * HOUR, "1"),
        UnfinishedSave("ab/old", now - 2 * HOUR, "2"),
        UnfinishedSave("ab/young", now, "3"),
        UnfinishedSave("../no/key", now - 3 * HOUR, "4"),
    ]
    storages = Storages({"a": GuardedStorage(storage, name="a", deadline=30.0)}, "a", None)
    return Auditor(shop.store, storages, "a", shop.clock, found.append, delete=delete, grace=grace), storage


@pytest.mark.gen_test
@pytest.mark.parametrize("delete", [False, True])
async def test_old_ones_are_told_and_ended_when_asked(*, delete: bool) -> None:
    async with warehouse() as shop:
        found: list[Finding] = []
        audit, storage = auditor(shop, found, delete=delete)
        totals = await audit.run()
        now = shop.clock.now()
    ages = [(one.kind, one.key, one.last_modified, one.deleted) for one in found]
    assert ages == [(Kind.UNFINISHED, "ab/old", now - hours * HOUR, delete) for hours in (3, 2)]
    assert totals.remaining == (0 if delete else 2)
    assert {save.token for save in storage.saves} == ({"3", "4"} if delete else {"1", "2", "3", "4"})
    assert not audit.unlisted


@pytest.mark.gen_test
async def test_a_grace_may_be_longer_than_the_calendar() -> None:
    async with warehouse() as shop:
        found: list[Finding] = []
        audit, storage = auditor(shop, found, delete=True, grace=timedelta(days=999_999))
        await audit.run()
    assert (found, len(storage.saves)) == ([], 4)


@pytest.mark.gen_test
async def test_a_storage_that_may_not_list_them_is_told() -> None:
    async with warehouse() as shop:
        audit, storage = auditor(shop, [])
        storage.error = StorageDenied("needed is a permission")
        await audit.run()
    assert "needed is a permission" in audit.unlisted


@pytest.mark.gen_test
async def test_an_outage_ends_the_audit() -> None:
    async with warehouse() as shop:
        audit, storage = auditor(shop, [])
        storage.error = StorageUnavailable("down")
        with pytest.raises(StorageUnavailable):
            await audit.run()
