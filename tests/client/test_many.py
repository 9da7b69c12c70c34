"""Many imports at once, by both clients."""

import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lading.client import ImportFailed, ServerNotReachable, TimedOut, ValidationFailed
from tests.client.both import Api
from tests.client.conftest import ALBUM, Place
from tests.support.servers.cutting_proxy import DROPPED, CuttingProxy, Harm
from tests.support.servers.service import token

BATCH = "POST /api/v1/imports/batch"


def items_of(place: Place, count: int, mark: str) -> list[dict[str, Any]]:
    """Items of which every tenth is refused, and the one after it fails."""
    urls = {0: "ftp://www.example.org/a.jpg", 1: place.page}
    return [
        {"url": urls.get(number % 10, place.photo), "album_id": ALBUM, "metadata": {"many": mark}}
        for number in range(count)
    ]


def mark_of(api: Api) -> str:
    return f"{type(api).__name__}-{random.random()}"


def test_each_item_has_its_outcome(harmed: Api, proxy: CuttingProxy, place: Place) -> None:
    items = items_of(place, 40, mark_of(harmed))
    outcomes = sorted(harmed.many("import_many", iter(items), batch_size=16), key=lambda one: one.index)
    assert [(one.index, one.params) for one in outcomes] == list(enumerate(items))
    for number, one in enumerate(outcomes):
        assert one.is_done == (number % 10 > 1)
        if number % 10 == 0:
            assert isinstance(one.error, ValidationFailed)
            assert (one.error.code, one.import_id, one.document) == ("url_scheme_not_allowed", "", None)
        elif number % 10 == 1:
            assert isinstance(one.error, ImportFailed)
            assert one.document.error.code == "not_an_image"
        else:
            assert one.error is None
    assert sum(line.startswith(BATCH) for line in proxy.requests) == 3
    ids = {line.partition("batch_id=")[2].partition("&")[0] for line in proxy.requests if "batch_id=" in line}
    batches = [harmed.call("get_batch", batch_id) for batch_id in ids]
    assert all(batch.complete for batch in batches)
    assert sum(batch.accepted for batch in batches) == 36
    assert sum(batch.rejected.get("url_scheme_not_allowed", 0) for batch in batches) == 4
    failures = [one for batch_id in ids for one in harmed.many("iter_batch_failures", batch_id)]
    assert [one["url"] for one in failures] == [place.page] * 4
    assert sum(harmed.call("retry_batch", batch_id).retried for batch_id in ids) == 4


def test_batches_that_are_lost_or_cut_import_nothing_twice(harmed: Api, proxy: CuttingProxy, place: Place) -> None:
    mark = mark_of(harmed)
    items = items_of(place, 20, mark)
    proxy.harm(BATCH, DROPPED, Harm(request_bytes=500), Harm(answer_bytes=700))
    outcomes = harmed.many("import_many", items)
    assert proxy.is_done
    assert len(outcomes) == 20
    assert len(harmed.many("iter_imports", metadata={"many": mark})) == 18
    assert any(one.is_replayed for one in outcomes)


def test_the_same_key_and_items_import_nothing_twice(api: Api, place: Place) -> None:
    mark = mark_of(api)
    items = items_of(place, 12, mark)
    runs = [
        {one.index: one.import_id for one in api.many("import_many", items, batch_size=5, idempotency_key=mark)}
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(api.many("iter_imports", metadata={"many": mark})) == 10
    others = api.many("import_many", items[2:4], idempotency_key=mark)
    assert {one.import_id for one in others}.isdisjoint(runs[0].values()), "other items are another batch"


def test_a_token_that_may_not_list_suffices(connect: Callable[..., Api], proxy: CuttingProxy, place: Place) -> None:
    api = connect(proxy.url, token(abilities=("image_upload",)))
    outcomes = api.many("import_many", items_of(place, 12, "unlisted"), batch_size=6)
    assert sum(one.is_done for one in outcomes) == 8
    assert sum("?batch_id=" in line for line in proxy.requests) == 2, "each batch is listed in vain once"


def test_nobody_has_to_wait(api: Api, place: Place) -> None:
    assert [one.document.album_id for one in api.many("import_many", [place.photo])] == [None]
    given = {"url": place.photo, "album_id": ALBUM}
    outcomes = api.many("import_many", [given] * 3, wait=False)
    assert [(bool(one.import_id), one.document, one.error) for one in outcomes] == [(True, None, None)] * 3
    outcomes = api.many("import_many", [given, {"album_id": ALBUM}], timeout=0.0)
    late = next(one for one in outcomes if one.index == 1)
    assert isinstance(late.error, TimedOut)
    assert late.document.status == "waiting"
    api.call("cancel_import", late.import_id)
    assert api.many("import_many", []) == []
    with pytest.raises(ValueError, match="batch_size"):
        api.many("import_many", [], batch_size=201)


def test_an_iterator_is_read_as_far_as_it_is_needed(api: Api, place: Place) -> None:
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield {"url": place.photo, "album_id": ALBUM, "dedupe": "album"}

    assert len(api.first(6, "import_many", endless(), batch_size=4, wait=False)) == 6
    assert taken == 8

    def broken() -> Any:
        yield {"url": place.photo, "album_id": ALBUM}
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        api.many("import_many", broken())


@pytest.mark.parametrize("kind", ["async"], indirect=True)
def test_an_asynchronous_iterator(api: Api, place: Place) -> None:
    async def items() -> AsyncIterator[dict[str, Any]]:
        for _ in range(3):
            yield {"url": place.photo, "album_id": ALBUM}

    assert all(one.is_done for one in api.many("import_many", items()))


def test_a_service_that_stays_away_is_told(harmed: Api, proxy: CuttingProxy, place: Place) -> None:
    proxy.harm(BATCH, *[Harm(request_bytes=0)] * 5)
    with pytest.raises(ServerNotReachable):
        harmed.many("import_many", items_of(place, 2, "away"))
    assert proxy.is_done
