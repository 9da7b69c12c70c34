"""Uploads and the disk: one that is full, what is durable before it is told, and what is left behind."""

import errno
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import lading.service.storages.spool
from lading.service.documents import StoreUnavailable
from lading.service.errors.catalogue import ApiError
from lading.service.imports.uploads.files import UploadFile, UploadFolder
from lading.service.models import Status
from lading.service.storages.spool import Spool
from tests.api.conftest import Assembled
from tests.api.uploads.test_uploads import DATA, HALF, begun, code_of, offset_of, patch, stored, tus
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import
from tests.support.servers.service import Client, token

UPLOAD = "0" * 8 + "-0" * 14

pytestmark = pytest.mark.usefixtures("uploads_prepared")


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_folder(*_: object) -> None:
    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))


@pytest.mark.gen_test
async def test_a_full_disk_is_an_outage_and_loses_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = await begun(client)
    assert (await patch(client, path, 0, DATA[:10])).code == 204
    with monkeypatch.context() as patched:
        patched.setattr(UploadFile, "append", no_room)
        response = await patch(client, path, 10, DATA[10:HALF])
        assert code_of(response) == (503, "disk_full")
        assert int(response.headers["Retry-After"]) > 0
    assert await offset_of(client, path) == (200, "10")
    assert (await patch(client, path, 10, DATA[10:])).code == 204
    assert stored(tmp_path) == [DATA]


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE"])
@pytest.mark.gen_test
async def test_a_folder_that_does_not_work_is_an_outage(
    client: Client, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    path = await begun(client)
    assert (await patch(client, path, 0, DATA[:10])).code == 204
    with monkeypatch.context() as patched:
        for name in ("open", "size", "remove"):
            patched.setattr(UploadFolder, name, no_folder)
        is_patch = method == "PATCH"
        response = await (patch(client, path, 10, DATA[10:]) if is_patch else tus(client, method, path))
        assert response.code == 503
        assert int(response.headers["Retry-After"]) > 0
    assert await offset_of(client, path) == (200, "10")


@pytest.mark.parametrize("ends", ["cancel", "delete", "terminate", "complete"])
@pytest.mark.gen_test
async def test_a_file_that_cannot_be_removed_hides_no_change_of_its_import(
    client: Client, assembled: Assembled, folder: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    path = await begun(client)
    assert (await patch(client, path, 0, DATA[:10])).code == 204
    import_path = f"/api/v1/imports{path}"
    with monkeypatch.context() as patched:
        for name in ("discard", "remove"):
            patched.setattr(UploadFolder, name, no_folder)
        if ends == "cancel":
            response = await client.fetch(f"{import_path}/cancel", method="POST", body=b"")
        elif ends == "delete":
            remover = Client(client.base, token(abilities=("image_delete",)))
            response = await remover.fetch(import_path, method="DELETE")
        elif ends == "terminate":
            response = await tus(client, "DELETE", path)
        else:
            response = await patch(client, path, 10, DATA[10:])
        assert response.code in (200, 202, 204), response.body
    assert len(list(folder.glob("*.part"))) == 1
    assert await assembled.resources.uploads.uploads.sweep() == 1
    assert list(folder.glob("*.part")) == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("fault", "code"), [(no_room, "disk_full"), (no_folder, "disk_unavailable")])
@pytest.mark.parametrize("where", ["_flush", "write"])
@pytest.mark.gen_test
async def test_a_spool_that_has_no_room(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    assembled: Assembled,
    where: str,
    fault: Callable[..., None],
    code: str,
) -> None:
    if where == "_flush":  # while the bytes come, rather than when they have come
        object.__setattr__(assembled.resources.imports.receiving.spools, "memory_bytes", 10)
    import_id = (await client.post_json({"album_id": "imported_album"})).body.split(b'"id":"')[1][:36].decode()
    content = f"/api/v1/imports/{import_id}/content"
    boundary = b"--x\r\nContent-Disposition: form-data; name="
    form = boundary + b'"album_id"\r\n\r\nimported_album\r\n' + boundary + b'"file"; filename="a.jpg"\r\n\r\n' + DATA
    form += b"\r\n--x--\r\n"
    with monkeypatch.context() as patched:
        patched.setattr(Spool if where == "_flush" else lading.service.storages.spool, where, fault)
        assert code_of(await client.fetch(content, method="PUT", body=DATA)) == (503, code)
        assert code_of(await client.post(form, "multipart/form-data; boundary=x")) == (503, code)
    assert (await client.document(import_id))["status"] == "waiting"
    assert (await client.fetch(content, method="PUT", body=DATA)).code == 200


@pytest.mark.gen_test
async def test_a_patch_to_what_is_finished_leaves_nothing_behind(client: Client, folder: Path) -> None:
    path = await begun(client)
    assert (await patch(client, path, 0, DATA)).code == 204
    response = await patch(client, path, 0, DATA)
    assert code_of(response) == (409, "upload_offset_mismatch")
    assert response.headers["Upload-Offset"] == str(len(DATA))
    assert code_of(await patch(client, path, len(DATA), b"")) == (410, "upload_gone")
    assert list(folder.glob("*.part")) == []


@pytest.mark.gen_test
async def test_an_upload_that_ends_just_before_it_is_opened(
    client: Client, assembled: Assembled, folder: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await begun(client)
    document = await assembled.parts.store.get(path[1:])
    assert document is not None
    store = assembled.parts.store
    found = type(assembled.resources.uploads.uploads).find

    async def late(*arguments: Any) -> Any:
        upload = await found(*arguments)
        await store.update(document.cancelled(clock.now()))
        return upload

    monkeypatch.setattr(type(assembled.resources.uploads.uploads), "find", late)
    assert code_of(await patch(client, path, 0, DATA)) == (410, "upload_gone")
    assert list(folder.glob("*.part")) == []


@pytest.mark.gen_test
async def test_a_lease_is_given_up_only_where_the_store_may_have_written(
    assembled: Assembled, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiving = assembled.resources.imports.receiving
    lease = await receiving._leases.current()
    waiting = make_import(clock, params={}, status=Status.WAITING)
    with pytest.raises(ApiError, match="not_found"):
        async with receiving.reception(waiting):
            pass
    assert await receiving._leases.current() is lease, "nothing was written, for certain"

    async def fails(*_: object) -> bool:
        raise StoreUnavailable("as the test wants it")

    monkeypatch.setattr(assembled.parts.store, "update", fails)
    with pytest.raises(ApiError, match="documents_unavailable"):
        async with receiving.reception(waiting):
            pass
    assert await receiving._leases.current() is not lease


def test_what_is_told_is_durable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durable: dict[int, int] = {}

    def fsync(descriptor: int) -> None:
        facts = os.fstat(descriptor)
        durable[facts.st_ino] = facts.st_size

    monkeypatch.setattr(os, "fsync", fsync)
    uploads = UploadFolder(folder, 1024)
    file = uploads.open(UPLOAD)
    assert {folder.parent.stat().st_ino, folder.stat().st_ino} <= durable.keys(), "the names"
    file.append(b"half")
    assert durable[file.path.stat().st_ino] == 0
    assert uploads.size(UPLOAD) == 4
    assert durable[file.path.stat().st_ino] == 4, "what another request tells while the first writes"
    file.append(b"more")
    file.close()
    with closing(uploads.open(UPLOAD)) as again:
        assert durable[file.path.stat().st_ino] == again.size == 8, "what a process left that died"
