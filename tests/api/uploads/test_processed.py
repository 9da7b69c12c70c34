"""An image that a processor changes, through the whole API, on every document store."""

import hashlib
import json
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from lading.plugins.errors import StorageUnavailable
from tests.api.conftest import Assembled
from tests.api.uploads.feeding import code_of, files, put, waiting
from tests.support.servers.service import Client
from tests.unit.plugins.processors.photos import SECRET, orientation, photo, pixels

PHOTO = photo("JPEG", 6).data


@pytest.fixture
def overrides(overrides: dict[str, str]) -> dict[str, str]:
    return {**overrides, "LADING_PROCESS__PLUGINS": "metadata"}


@pytest.fixture(autouse=True)
def prepared(io_loop: IOLoop, assembled: Assembled) -> None:
    io_loop.run_sync(assembled.parts.storage.ping)


@pytest.mark.gen_test
async def test_what_is_stored_and_what_came(client: Client, tmp_path: Path) -> None:
    import_id = await waiting(client)
    assert (await put(client, import_id, PHOTO)).code == 200
    image = (await client.document(import_id))["image"]
    (kept,) = files(tmp_path)
    assert SECRET in PHOTO
    assert SECRET not in kept
    assert (pixels(kept), orientation(kept)) == (pixels(PHOTO), 6)
    assert image["sha256"] == hashlib.sha256(kept).hexdigest()
    assert image["source_sha256"] == hashlib.sha256(PHOTO).hexdigest()
    assert (image["byte_size"], image["orientation"]) == (len(kept), 6)
    (attempt,) = json.loads((await client.fetch(f"/api/v1/imports/{import_id}/trace")).body)["attempts"]
    assert [phase["name"] for phase in attempt["phases"]] == ["detect", "process", "detect", "save"]


@pytest.mark.gen_test
async def test_an_attempt_without_a_result_is_repeated(
    client: Client, assembled: Assembled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a process that died between the save and the result."""
    import_id = await waiting(client)
    importer = assembled.parts.importer
    keep = importer.keep

    async def dies(*arguments: object) -> object:
        await keep(*arguments)  # type: ignore[arg-type]
        raise StorageUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(importer, "keep", dies)
        assert code_of(await put(client, import_id, PHOTO)) == (503, "storage_unavailable")
    (kept,) = files(tmp_path)
    assert (await put(client, import_id, PHOTO)).code == 200
    assert files(tmp_path) == [kept]
    image = (await client.document(import_id))["image"]
    assert image["sha256"] == hashlib.sha256(kept).hexdigest()
    assert image["source_sha256"] == hashlib.sha256(PHOTO).hexdigest()
