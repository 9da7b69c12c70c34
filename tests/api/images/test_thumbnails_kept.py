"""When thumbnails are made and kept, and when they go: deletions, failures, many requests at once, a hog."""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.errors import DetectorStalled, ImageCorrupt, ObjectNotFound, StorageUnavailable
from lading.plugins.host.turns import on_behalf_of
from lading.service.errors.catalogue import ApiError
from lading.service.images.operations import StoredImage
from lading.service.images.retention.policy import Policy
from lading.service.images.retention.removing import Retention
from lading.service.images.thumbnails import thumbnails as thumbnails_module
from lading.service.images.thumbnails.refusals import Refusals
from lading.service.images.thumbnails.thumbnails import AT_ONCE
from lading.service.models import Status
from lading.service.storages.spool import Spool
from tests.api.conftest import Assembled
from tests.api.images.makers import Maker, allowed, kept_in, stored, use
from tests.support.clock import SettableClock
from tests.support.images import code_of, path_of
from tests.support.plugins.scripted import until
from tests.support.servers.service import ISSUER, OTHER_ISSUER, Client

pytestmark = [pytest.mark.one_store]
ABILITIES = ("see", "image_delete")


@pytest.mark.gen_test
async def test_a_thumbnail_is_made_once_for_all_who_ask_at_once_and_then_kept(
    client: Client, assembled: Assembled, clock: SettableClock, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    maker = Maker(on_call=gate.wait)
    thumbnails = use(assembled, maker)
    path = path_of(await stored(assembled), "/thumbnail")
    client = allowed(client, clock, "see")
    waiting = [asyncio.create_task(client.fetch(path)) for _ in range(8)]
    await until(lambda: thumbnails.places.taken == 8)
    gate.set()
    answers = await asyncio.gather(*waiting)
    assert {answer.code for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert (maker.calls, len(kept_in(tmp_path)), thumbnails.places.taken) == (1, 1, 0)
    assert (await client.fetch(path)).body == answers[0].body
    assert maker.calls == 1
    maker.recipe = "another text"
    assert (await client.fetch(path)).code == 200
    assert maker.calls == 2, "what another recipe has made is made again"


@pytest.mark.gen_test
async def test_a_deleted_image_has_no_thumbnail(
    client: Client, assembled: Assembled, clock: SettableClock, tmp_path: Path
) -> None:
    use(assembled, Maker())
    client = allowed(client, clock, *ABILITIES)
    found, other = await stored(assembled), await stored(assembled)
    for size in ("small", "large"):
        for one in (found, other):
            assert (await client.fetch(path_of(one, f"/thumbnail?size={size}"))).code == 200
    assert len(kept_in(tmp_path)) == 4
    assert (await client.fetch(path_of(found), method="DELETE")).code == 204
    assert len(kept_in(tmp_path)) == 2
    response = await client.fetch(path_of(found, "/thumbnail?size=small"))
    assert (response.code, code_of(response.body)) == (410, "image_deleted")
    assert (await client.fetch(path_of(other, "/thumbnail?size=small"))).code == 200


@pytest.mark.parametrize("keeps_images", [True, False])
@pytest.mark.gen_test
async def test_an_old_import_goes_with_its_thumbnails(
    client: Client, assembled: Assembled, clock: SettableClock, tmp_path: Path, keeps_images: bool
) -> None:
    use(assembled, Maker())
    found, parts = await stored(assembled), assembled.parts
    assert (await allowed(client, clock, "see").fetch(path_of(found, "/thumbnail"))).code == 200
    policy = Policy({Status.DONE: timedelta(hours=1)}, keeps_images=keeps_images)
    clock.advance(timedelta(hours=2))
    await Retention(parts.store, parts.storages, clock, parts.rng, policy).retire(found.document)
    assert await parts.storage.exists(found.image.key) is keeps_images
    assert kept_in(tmp_path) == []


@pytest.mark.gen_test
async def test_storage_that_fails_or_forgets(
    client: Client, assembled: Assembled, clock: SettableClock, tmp_path: Path
) -> None:
    use(assembled, Maker())
    client = allowed(client, clock, *ABILITIES)
    backend: Any = assembled.parts.storage.backend
    opens = backend.open

    def raising(error: Exception) -> Callable[..., Any]:
        def failing(*_: Any, **__: Any) -> Any:
            raise error

        return failing

    found = await stored(assembled)
    for error, status, code in [
        (StorageUnavailable("down"), 503, "image_unavailable"),
        (ObjectNotFound("gone"), 500, "image_lost"),
    ]:
        backend.open = raising(error)
        response = await client.fetch(path_of(found, "/thumbnail"))
        assert (response.code, code_of(response.body)) == (status, code)
        assert kept_in(tmp_path) == []
    backend.open = opens
    assert (await client.fetch(path_of(found, "/thumbnail"))).code == 200
    backend.open = raising(StorageUnavailable("down"))
    assert (await client.fetch(path_of(found, "/thumbnail"))).code == 200, "what is kept needs no storage"


@pytest.mark.gen_test
async def test_other_bytes_than_were_imported_are_shown_to_nobody(
    client: Client, assembled: Assembled, clock: SettableClock, tmp_path: Path
) -> None:
    use(assembled, Maker())
    found = await stored(assembled)
    (path,) = [path for path in (tmp_path / "images").rglob(found.document.id) if path.is_file()]
    path.chmod(0o600)
    path.write_bytes(os.urandom(found.image.byte_size))
    response = await allowed(client, clock, "see").fetch(path_of(found, "/thumbnail"))
    assert (response.code, code_of(response.body)) == (500, "image_lost")
    assert kept_in(tmp_path) == []


@pytest.mark.gen_test
async def test_a_thumbnail_that_is_made_during_the_deletion_is_neither_sent_nor_kept(
    client: Client, assembled: Assembled, clock: SettableClock, tmp_path: Path
) -> None:
    client = allowed(client, clock, *ABILITIES)
    found = await stored(assembled)

    async def delete() -> None:
        assert (await client.fetch(path_of(found), method="DELETE")).code == 204

    use(assembled, Maker(on_call=delete))
    response = await client.fetch(path_of(found, "/thumbnail"))
    assert (response.code, code_of(response.body)) == (410, "image_deleted")
    assert kept_in(tmp_path) == []


@pytest.mark.gen_test
async def test_a_broken_image_is_not_decoded_for_each_request(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    now = [0.0]
    client = allowed(client, clock, "see")

    async def answers(one: StoredImage) -> list[tuple[int, str]]:
        responses = [
            await client.fetch(path_of(one, f"/thumbnail?size={size}")) for size in ("small", "large", "small")
        ]
        return [(response.code, code_of(response.body)) for response in responses]

    for fault, status, code, holds in [
        (ImageCorrupt("broken"), 422, "image_corrupt", 900),
        (DetectorStalled("stuck"), 503, "thumbnail_unavailable", 10),
    ]:
        maker, found, other = Maker(fault), await stored(assembled), await stored(assembled)
        use(assembled, maker, refusals=Refusals(lambda: now[0]))
        assert await answers(found) == [(status, code)] * 3
        assert maker.calls == 1, "the reason is the bytes, whatever size was asked for"
        assert await answers(other) == [(status, code)] * 3
        assert maker.calls == 2, "another image is another one"
        now[0] += holds - 0.1
        assert await answers(found) == [(status, code)] * 3
        assert maker.calls == 2
        now[0] += 0.2
        maker.fault = None
        assert (await client.fetch(path_of(found, "/thumbnail"))).code == 200
        assert maker.calls == 3


@pytest.mark.gen_test
async def test_a_disk_that_fails(
    client: Client, assembled: Assembled, clock: SettableClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thumbnails").write_text("a file where the folder should be")
    maker = Maker()
    use(assembled, maker)
    client = allowed(client, clock, *ABILITIES)
    found = await stored(assembled)
    for calls in (1, 2):
        assert (await client.fetch(path_of(found, "/thumbnail"))).code == 200
        assert maker.calls == calls

    async def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "fill", full)
    response = await client.fetch(path_of(found, "/thumbnail"))
    assert (response.code, code_of(response.body)) == (503, "disk_full")
    assert response.headers["Retry-After"] == "30"
    monkeypatch.undo()
    assert (await client.fetch(path_of(found), method="DELETE")).code == 204, "a deletion needs no such folder"


@pytest.mark.gen_test
async def test_a_guest_does_not_wait_for_a_hog(assembled: Assembled) -> None:
    order: list[str] = []
    gate = asyncio.Semaphore(0)

    class Ordered(Maker):
        async def thumbnail(self, path: Path, *, side: int, content_type: str) -> bytes:
            order.append(path.read_bytes().decode())
            await gate.acquire()
            return await super().thumbnail(path, side=side, content_type=content_type)

    thumbnails = use(assembled, Ordered())

    async def get(issuer_id: str, found: StoredImage) -> bytes:
        with on_behalf_of(issuer_id):
            return await thumbnails.get(found, "small", "image/webp")

    theirs = [await stored(assembled, b"hog") for _ in range(20)]
    hog = [asyncio.create_task(get(ISSUER, found)) for found in theirs]
    await until(lambda: thumbnails._turns.occupancy.waiting == 20 - AT_ONCE // 2)
    mine = asyncio.create_task(get(OTHER_ISSUER, await stored(assembled, b"guest")))
    await until(lambda: len(order) > AT_ONCE // 2)
    assert order == ["hog"] * (AT_ONCE // 2) + ["guest"]
    for _ in range(30):
        gate.release()
    await asyncio.gather(mine, *hog)
    assert len(order) == 21


@pytest.mark.gen_test
async def test_no_request_waits_for_ever(assembled: Assembled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails_module, "WAIT_SECONDS", 0.01)
    gate = asyncio.Event()
    thumbnails = use(assembled, Maker(on_call=gate.wait))
    share = AT_ONCE // 2
    busy = [asyncio.create_task(thumbnails.get(await stored(assembled), "small", "image/webp")) for _ in range(share)]
    await until(lambda: thumbnails._turns.taken == share)
    with pytest.raises(ApiError, match="too_many_thumbnails") as refused:
        await thumbnails.get(await stored(assembled), "small", "image/webp")
    assert refused.value.retry_after == 2
    gate.set()
    await asyncio.gather(*busy)


@pytest.mark.gen_test
async def test_two_issuers_at_once_have_it_made_once(assembled: Assembled) -> None:
    gate = asyncio.Event()
    maker = Maker(on_call=gate.wait)
    thumbnails, found = use(assembled, maker), await stored(assembled)

    async def get(issuer_id: str) -> bytes:
        with on_behalf_of(issuer_id):
            return await thumbnails.get(found, "small", "image/webp")

    both = [asyncio.create_task(get(issuer)) for issuer in (ISSUER, OTHER_ISSUER)]
    await until(lambda: thumbnails._turns.taken == 2)
    gate.set()
    assert len(set(await asyncio.gather(*both))) == 1
    assert maker.calls == 1
