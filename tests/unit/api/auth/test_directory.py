"""Where issuers are found, and for how long they are remembered."""

import pytest

from lading.service.api.auth.directory import CACHE_SIZE, IssuerDirectory
from lading.service.documents import StoreUnavailable
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.models.issuers import Issuer
from tests.support.clock import SettableClock

SECRET = "s" * 32


class CountingStore(MemoryDocumentStore):
    """Counts the look-ups."""

    def __init__(self) -> None:
        super().__init__(SettableClock())
        self.asked: list[str] = []

    async def get_issuer(self, issuer_id: str) -> Issuer | None:
        self.asked.append(issuer_id)
        return await super().get_issuer(issuer_id)


async def opened(*issuer_ids: str) -> CountingStore:
    store = CountingStore()
    await store.open()
    for issuer_id in issuer_ids:
        await store.add_issuer(Issuer(issuer_id, "organization", SECRET))
    return store


@pytest.mark.gen_test
async def test_a_configured_issuer_goes_before_a_managed_one_and_asks_nobody() -> None:
    store = await opened("a")
    configured = Issuer("a", "configured", SECRET)
    directory = IssuerDirectory({"a": configured}, store, ttl=60)
    assert await directory.get("a") is configured
    await store.close()
    assert await directory.get("a") is configured
    assert store.asked == []


@pytest.mark.gen_test
async def test_a_managed_issuer_is_remembered() -> None:
    store = await opened("a")
    directory = IssuerDirectory({}, store, ttl=60)
    found = await directory.get("a")
    assert found is not None
    assert await directory.get("a") is found
    assert store.asked == ["a"]


@pytest.mark.gen_test
async def test_disabling_takes_effect_when_what_is_remembered_is_too_old() -> None:
    store = await opened("a")
    directory = IssuerDirectory({}, store, ttl=0)
    found = await directory.get("a")
    assert found is not None
    assert found.enabled
    await store.set_issuer_enabled("a", enabled=False)
    found = await directory.get("a")
    assert found is not None
    assert not found.enabled


@pytest.mark.gen_test
async def test_an_unknown_id_is_not_remembered() -> None:
    store = await opened()
    directory = IssuerDirectory({}, store, ttl=60)
    assert await directory.get("a") is None
    await store.add_issuer(Issuer("a", "organization", SECRET))
    assert await directory.get("a") is not None


@pytest.mark.gen_test
async def test_what_is_remembered_is_bounded_and_strangers_take_no_place() -> None:
    ids = [f"issuer-{number}" for number in range(CACHE_SIZE + 1)]
    store = await opened(*ids)
    directory = IssuerDirectory({}, store, ttl=3600)
    for issuer_id in ids[:-1]:
        await directory.get(issuer_id)
    for number in range(50):
        assert await directory.get(f"stranger-{number}") is None
    store.asked.clear()
    for issuer_id in ids[:-1]:
        await directory.get(issuer_id)
    assert store.asked == []
    await directory.get(ids[-1])
    await directory.get(ids[0])
    assert store.asked == [ids[-1], ids[0]], "the one that was remembered first had to go"
    assert len(directory._cache) == CACHE_SIZE


@pytest.mark.gen_test
async def test_an_outage_is_told_and_what_is_remembered_outlasts_it() -> None:
    store = await opened("a", "b")
    directory = IssuerDirectory({}, store, ttl=60)
    await directory.get("a")
    await store.close()
    assert await directory.get("a") is not None
    with pytest.raises(StoreUnavailable):
        await directory.get("b")
    await store.open()
    assert await directory.get("b") is not None


@pytest.mark.gen_test
async def test_an_issuer_that_is_gone_is_forgotten() -> None:
    store = await opened("a")
    directory = IssuerDirectory({}, store, ttl=0)
    assert await directory.get("a") is not None
    store._issuers.clear()
    assert await directory.get("a") is None
    assert directory._cache == {}
