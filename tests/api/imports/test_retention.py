"""What clients see of imports that retention has removed: the same as after their own DELETE, on every store."""

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from lading.service.images.retention import removing
from lading.service.images.retention.policy import FINAL, Policy
from lading.service.images.retention.removing import Retention
from lading.service.models import Failure, Import, Status
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.images import code_of, noise, path_of, stored_in
from tests.support.servers.service import ORGANIZATION, Client, token

HOUR = timedelta(hours=1)
FAILURE = Failure("origin_not_found", "It is not there.", retryable=False)
ITEM = {"album_id": "imported_album", "url": "http://origin.example/a.jpg"}


async def swept(assembled: Assembled, keeps_images: bool = False) -> removing.Removed:
    parts = assembled.parts
    policy = Policy(dict.fromkeys(FINAL, HOUR), keeps_images=keeps_images)
    with capture_logs():
        removed = await Retention(parts.store, parts.storages, parts.clock, random.Random(1), policy).sweep()
    assert removed is not None
    assert removed.failure is None
    return removed


async def ended(assembled: Assembled, clock: SettableClock, ids: list[str], status: Status) -> None:
    for import_id in ids:
        found = await assembled.parts.store.get(import_id)
        assert found is not None
        running = found.claimed("worker", clock.now())
        assert await assembled.parts.store.update(running)
        after: Import = running.failed(FAILURE, "url", clock.now())
        if status is Status.CANCELLED:
            after = running.cancelled(clock.now())
        assert await assembled.parts.store.update(after)


async def posted(client: Client, path: str, body: bytes, content_type: str, key: str) -> Any:
    headers = {"Content-Type": content_type, "Idempotency-Key": key}
    return await client.fetch(path, method="POST", body=body, headers=headers)


@pytest.mark.usefixtures("uploads_prepared")
@pytest.mark.gen_test
async def test_old_imports_are_gone_and_what_counts_them_is_honest(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    found = [await stored_in(assembled.parts, noise(1000, seed)) for seed in range(2)]
    body = b"".join(json.dumps(ITEM).encode() + b"\n" for _ in range(3))
    answer = await posted(client, "/api/v1/imports/batch", body, "application/x-ndjson", "batch")
    ids = [line["id"] for line in map(json.loads, answer.body.splitlines()) if "id" in line]
    batch_id = json.loads(answer.body.splitlines()[-1])["batch_id"]
    one = json.loads(
        (await posted(client, "/api/v1/imports", json.dumps(ITEM).encode(), "application/json", "one")).body
    )
    await ended(assembled, clock, [*ids[:1], one["id"]], Status.FAILED)
    await ended(assembled, clock, ids[1:2], Status.CANCELLED)
    clock.advance(2 * HOUR)
    client = replace(client, token=token(clock))
    young = await stored_in(assembled.parts, noise(500))

    assert (await swept(assembled)).imports == 5
    for image in found:
        assert code_of((await client.fetch(path_of(image))).body) == "not_found"
        assert (await client.fetch(f"/api/v1/imports/{image.document.id}")).code == 404
        assert not await assembled.parts.storage.exists(image.image.key)
        assert await assembled.parts.store.get(image.document.id) is None
    assert (await client.fetch(path_of(young))).code == 200
    assert await assembled.parts.store.stored_bytes(ORGANIZATION) == 500
    summary = json.loads((await client.fetch(f"/api/v1/batches/{batch_id}")).body)
    assert (summary["accepted"], sum(summary["imports"].values()), summary["imports"]["queued"]) == (3, 1, 1)
    again = await posted(client, "/api/v1/imports", json.dumps(ITEM).encode(), "application/json", "one")
    assert (again.code, code_of(again.body)) == (410, "import_deleted")
    assert (await swept(assembled)).imports == 0


@pytest.mark.usefixtures("uploads_prepared")
@pytest.mark.gen_test
async def test_a_kept_image_is_in_the_storage_alone(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    image = await stored_in(assembled.parts, noise(1000))
    clock.advance(2 * HOUR)
    client = replace(client, token=token(clock))
    assert (await swept(assembled, keeps_images=True)).imports == 1
    assert (await client.fetch(path_of(image))).code == 404
    assert await assembled.parts.storage.exists(image.image.key)
    assert await assembled.parts.store.stored_bytes(ORGANIZATION) == 0
    assert await assembled.parts.store.get(image.document.id) is None
