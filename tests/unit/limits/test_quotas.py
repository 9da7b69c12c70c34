"""How much an organisation may store: what is held counts, and what is known is asked for now and then."""

import asyncio

import pytest

import lading.service.limits.quotas
from lading.plugins.errors import StorageUnavailable
from lading.service.documents import StoreUnavailable
from lading.service.limits.quotas import Quotas, StorageQuotaExceeded
from lading.service.models import Status
from tests.support.core import Core, assert_nothing_held
from tests.support.plugins.scripted import body_of, make_import

SIZE = len(body_of("any"))


class Store:
    """Says what a test lets it say of what is stored."""

    def __init__(self, stored: int = 0) -> None:
        self.stored = stored
        self.asked = 0
        self.is_down = False

    async def stored_bytes(self, organization_id: str) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise StoreUnavailable("down")
        return self.stored


class Rig:
    def __init__(self, limit: int, stored: int = 0) -> None:
        self.now = 100.0
        self.store = Store(stored)
        self.quotas = Quotas(self.store, limit, now=lambda: self.now)  # type: ignore[arg-type]  # all that it asks for


@pytest.mark.gen_test
async def test_without_a_limit_nobody_is_asked() -> None:
    rig = Rig(0)
    await rig.quotas.hold(make_import(), 2**50)
    rig.quotas.release("unknown", is_stored=True)
    assert not await rig.quotas.is_full("organization")
    assert rig.store.asked == 0


@pytest.mark.gen_test
async def test_what_is_written_while_the_store_is_asked_is_not_forgotten() -> None:
    rig = Rig(100, stored=0)
    first = make_import()
    await rig.quotas.hold(first, 60)
    rig.now += 10
    asking = asyncio.create_task(rig.quotas.is_full("organization"))
    await asyncio.sleep(0)  # the store has its answer, and has not given it yet
    rig.quotas.release(first.id, is_stored=True)
    await asking
    with pytest.raises(StorageQuotaExceeded):
        await rig.quotas.hold(make_import(), 60)


@pytest.mark.gen_test
async def test_what_was_held_and_not_stored_is_free_at_once() -> None:
    rig = Rig(100, stored=0)
    first = make_import()
    await rig.quotas.hold(first, 60)
    rig.quotas.release(first.id, is_stored=False)
    await rig.quotas.hold(make_import(), 100)


@pytest.mark.gen_test
async def test_a_quota_is_used_to_its_last_byte_and_no_further() -> None:
    rig = Rig(100, stored=60)
    assert not await rig.quotas.is_full("organization")
    await rig.quotas.hold(make_import(), 39)
    with pytest.raises(StorageQuotaExceeded, match="100 stored bytes"):
        await rig.quotas.hold(make_import(), 2)
    await rig.quotas.hold(make_import(), 1)
    assert await rig.quotas.is_full("organization")
    assert not await rig.quotas.is_full("other")


@pytest.mark.gen_test
async def test_what_concurrent_imports_hold_never_exceeds_it() -> None:
    rig = Rig(100)

    async def hold() -> bool:
        try:
            await rig.quotas.hold(make_import(), 9)
        except StorageQuotaExceeded:
            return False
        return True

    assert (await asyncio.gather(*(hold() for _ in range(50)))).count(True) == 11
    assert rig.store.asked == 1, "they share one answer"


@pytest.mark.gen_test
async def test_equal_bytes_of_which_one_object_stays_are_reserved_once() -> None:
    rig = Rig(100)
    equal = [make_import() for _ in range(8)]
    for one in equal:
        await rig.quotas.hold(one, 60, "a group")
    with pytest.raises(StorageQuotaExceeded):
        await rig.quotas.hold(make_import(), 60, "another group")
    other = make_import()
    await rig.quotas.hold(other, 40)
    rig.quotas.release(other.id, is_stored=False)
    rig.quotas.release(equal[0].id, is_stored=False)
    with pytest.raises(StorageQuotaExceeded):
        await rig.quotas.hold(make_import(), 60)
    rig.quotas.release(equal[1].id, is_stored=True)
    await rig.quotas.hold(make_import(), 40)
    for one in equal[2:]:
        rig.quotas.release(one.id, is_stored=False)
    assert await rig.quotas.is_full("organization")
    rig.store.stored = 60
    rig.now += 2.5
    assert await rig.quotas.is_full("organization"), "40 are reserved"


@pytest.mark.gen_test
async def test_an_end_that_is_unknown_frees_no_reservation_of_equal_bytes() -> None:
    """The first of the group was cancelled during its save: the second may store the bytes after all."""
    rig = Rig(200)
    first, second = make_import(), make_import()
    for one in (first, second):
        await rig.quotas.hold(one, 60, "a group")
    rig.quotas.release(first.id, is_stored=None)
    rig.now += 2.5  # the store reports nothing of the first
    with pytest.raises(StorageQuotaExceeded):
        await rig.quotas.hold(make_import(), 141)
    await rig.quotas.hold(make_import(), 140)
    rig.quotas.release(second.id, is_stored=True)
    assert await rig.quotas.is_full("organization")


@pytest.mark.gen_test
async def test_what_was_written_counts_until_the_store_is_asked_again() -> None:
    rig = Rig(100)
    document = make_import()
    await rig.quotas.hold(document, 100)
    rig.quotas.release(document.id, is_stored=True)
    rig.quotas.release(document.id, is_stored=True)
    assert await rig.quotas.is_full("organization")
    rig.store.stored = 30  # the attempt stored nothing, say
    rig.now += 2.5
    assert not await rig.quotas.is_full("organization")
    assert rig.store.asked == 2


@pytest.mark.gen_test
async def test_a_database_that_is_down_is_an_outage_and_no_answer() -> None:
    rig = Rig(100)
    rig.store.is_down = True
    with pytest.raises(StorageUnavailable):
        await rig.quotas.hold(make_import(), 1)
    with pytest.raises(StoreUnavailable):
        await rig.quotas.is_full("organization")


@pytest.mark.gen_test
async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.limits.quotas, "MAX_ORGANIZATIONS", 10)
    rig = Rig(100)
    for number in range(50):
        await rig.quotas.is_full(f"organization {number}")
        assert len(rig.quotas._usages) <= 10


# --- in a worker ------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_imports_beyond_the_quota_fail_and_nothing_of_them_is_stored() -> None:
    core = Core(quota=5 * SIZE + 1)
    async with core.working():
        documents = await core.add(20)
        found = [await core.final(document) for document in documents]
        done = [one for one in found if one.status is Status.DONE]
        failed = [one for one in found if one.status is Status.FAILED]
        assert (len(done), len(failed)) == (5, 15)
        assert {one.error.code for one in failed if one.error} == {"storage_quota_exceeded"}
        assert len(core.backend._objects) == 5
        assert await core.store.stored_bytes("organization") == 5 * SIZE
        assert core.quotas._holders == {}
        deleted = done[0].image_deleted(core.clock.now())
        assert await core.store.update(deleted)
        assert await core.store.update(deleted.image_purged(core.clock.now()))
        await asyncio.sleep(0.1)
        (another,) = await core.add()
        assert (await core.final(another)).status is Status.DONE
    assert_nothing_held(core)


@pytest.mark.gen_test(timeout=60)
async def test_an_attempt_that_fails_after_it_held_lets_go() -> None:
    core = Core(quota=SIZE)

    save = core.backend.save
    calls = 0

    async def fail_once(key: str, chunks: object, metadata: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise StorageUnavailable("down")
        await save(key, chunks, metadata)  # type: ignore[arg-type]

    core.backend.save = fail_once  # type: ignore[method-assign]
    async with core.working():
        (document,) = await core.add()
        found = await core.final(document)
    assert found.status in (Status.DONE, Status.FAILED)
    assert core.quotas._holders == {}
