"""What is remembered of a key when processes die between its two writes."""

from datetime import timedelta

import pytest

from lading.service.errors.catalogue import ApiError
from lading.service.imports.idempotency import GRACE, Idempotency
from lading.service.models import Import
from tests.support.clock import SettableClock
from tests.support.core import ScriptedStore
from tests.support.plugins.scripted import make_import


class Killed(Exception):
    pass


@pytest.mark.gen_test
@pytest.mark.parametrize("is_added", [False, True])
async def test_what_a_later_request_has_added_does_not_come_back_when_it_is_deleted(is_added: bool) -> None:
    clock = SettableClock()
    store = ScriptedStore(clock)
    await store.open()
    keys = Idempotency(store, timedelta(days=1))

    async def prepared() -> Import:
        return make_import(clock)

    async def dies(document: Import) -> None:
        if is_added:
            await store.add(document)
        raise Killed

    with pytest.raises(Killed):
        await keys.once("issuer", "key", "fingerprint", prepared, dies)
    clock.advance(GRACE)
    document, is_replayed = await keys.once("issuer", "key", "fingerprint", prepared, store.add)
    assert is_replayed == is_added
    deleted = document.deleted(clock.now())
    assert await store.update(deleted)
    assert await store.remove(deleted)
    with pytest.raises(ApiError) as caught:
        await keys.once("issuer", "key", "fingerprint", prepared, store.add)
    assert caught.value.code == "import_deleted"
    assert len(store.imports) == 0


@pytest.mark.gen_test
async def test_one_that_is_deleted_before_the_slower_request_comes_to_it_is_told_so() -> None:
    clock = SettableClock()
    store = ScriptedStore(clock)
    await store.open()
    keys = Idempotency(store, timedelta(days=1))

    async def prepared() -> Import:
        return make_import(clock)

    async def is_overtaken(document: Import) -> None:
        clock.advance(GRACE)
        overtaking, is_replayed = await keys.once("issuer", "key", "fingerprint", prepared, store.add)
        assert not is_replayed
        assert await store.update(overtaking.deleted(clock.now()))
        await store.add(document)

    with pytest.raises(ApiError) as caught:
        await keys.once("issuer", "key", "fingerprint", prepared, is_overtaken)
    assert caught.value.code == "import_deleted"
