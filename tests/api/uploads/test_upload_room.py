"""The bytes that unfinished resumable uploads may take up."""

import asyncio
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from tornado.httpclient import HTTPResponse

from lading.service.documents import StoreUnavailable
from lading.service.errors.catalogue import CONTENT_EXPIRED
from lading.service.imports.uploads.files import UploadFile, UploadFolder
from lading.service.models import Import
from tests.api.conftest import Assembled
from tests.api.uploads.test_uploads import DATA, METADATA, begun, code_of, patch, tus
from tests.support.clock import SettableClock
from tests.support.servers.service import OTHER_ISSUER, Client, token

SHARE = 3
"""Uploads that an issuer may have alone."""
LIMIT = 2 * SHARE * len(DATA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "uploads"


@pytest.fixture(autouse=True)
def small(assembled: Assembled, folder: Path, uploads_prepared: None) -> UploadFolder:
    small = UploadFolder(folder, LIMIT)
    object.__setattr__(assembled.resources.uploads.uploads, "folder", small)
    return small


@pytest.fixture
def guest(base_url: str, clock: SettableClock) -> Client:
    return Client(base_url, token(clock, issuer=OTHER_ISSUER))


async def create(client: Client, length: int = len(DATA), body: bytes = b"") -> HTTPResponse:
    sent = {"Content_Type": "application/offset+octet-stream"} if body else {}
    return await tus(client, "POST", "", body, Upload_Length=str(length), Upload_Metadata=METADATA, **sent)


def is_refused(response: HTTPResponse) -> bool:
    if response.code == 201:
        return False
    assert code_of(response) == (507, "upload_room_full")
    assert int(response.headers["Retry-After"]) > 0
    assert "Location" not in response.headers
    return True


@pytest.mark.gen_test
async def test_a_hog_leaves_room_to_a_guest(client: Client, guest: Client, assembled: Assembled) -> None:
    assert [is_refused(await create(client)) for _ in range(SHARE + 1)] == [False] * SHARE + [True]
    assert is_refused(await create(client, body=DATA)), "also with its first bytes"
    assert not is_refused(await create(guest))
    assert await assembled.parts.store.unfinished(100) == SHARE + 1, "what is refused leaves no import"


@pytest.mark.gen_test
async def test_uploads_at_once_get_no_more_than_the_share(client: Client, folder: Path) -> None:
    found = await asyncio.gather(*(create(client) for _ in range(4 * SHARE)))
    assert Counter(map(is_refused, found)) == {False: SHARE, True: 3 * SHARE}
    assert len(list(folder.glob("*.part"))) == SHARE, "what was refused leaves no file"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("end", ["done", "failed", "terminated", "cancelled"])
@pytest.mark.gen_test
async def test_the_room_comes_back_with_the_end(client: Client, small: UploadFolder, end: str) -> None:
    paths = [await begun(client) for _ in range(SHARE)]
    assert is_refused(await create(client))
    if end == "done":
        assert (await patch(client, paths[0], 0, DATA)).code == 204
    elif end == "failed":
        assert (await patch(client, paths[0], 0, b"no image" + DATA[8:])).code == 422
    elif end == "terminated":
        assert (await tus(client, "DELETE", paths[0])).code == 204
    else:
        cancelled = await client.fetch(f"/api/v1/imports{paths[0]}/cancel", method="POST", body=b"")
        assert cancelled.code == 200
    assert {f"/{one}" for one in small.ids()[1]} == set(paths[1:])
    assert not is_refused(await create(client))
    assert (await patch(client, paths[1], 0, DATA)).code == 204, "what was accepted is never refused"


@pytest.mark.gen_test
async def test_cancelling_and_retrying_gets_no_room_beside_the_bound(client: Client, small: UploadFolder) -> None:
    """The room is free with the end; another upload had it before the retried one sent bytes."""
    (again,) = [await begun(client)]
    for action in ("cancel", "retry"):
        assert (await client.fetch(f"/api/v1/imports{again}/{action}", method="POST", body=b"")).code == 200
    others = [await begun(client) for _ in range(SHARE)]
    refused = await patch(client, again, 0, DATA[:10])
    assert code_of(refused) == (507, "upload_room_full")
    assert small.ids() == ({path[1:] for path in others},) * 2
    assert (await tus(client, "DELETE", others[0])).code == 204
    assert (await patch(client, again, 0, DATA[:10])).code == 204
    assert code_of(await create(client)) == (507, "upload_room_full")
    assert (await patch(client, again, 10, DATA[10:])).code == 204


@pytest.mark.gen_test
async def test_a_retried_upload_without_room_can_be_terminated(client: Client, small: UploadFolder) -> None:
    path = await begun(client)
    for action in ("cancel", "retry"):
        assert (await client.fetch(f"/api/v1/imports{path}/{action}", method="POST", body=b"")).code == 200
    for _ in range(SHARE):
        await begun(client)
    assert (await tus(client, "DELETE", path)).code == 204
    assert len(small.ids()[0]) == len(small.ids()[1]) == SHARE


@pytest.mark.gen_test
async def test_the_room_of_what_expired_comes_back(
    client: Client, assembled: Assembled, clock: SettableClock, small: UploadFolder
) -> None:
    uploads = assembled.resources.uploads.uploads
    for _ in range(SHARE):
        await begun(client)
    assert await uploads.sweep() == 0
    later = clock.now() + 2 * uploads.imports.expire_after
    for document in await assembled.parts.store.search.expired_waiting(later, 9):
        assert await assembled.parts.store.update(document.expired(CONTENT_EXPIRED, clock.now()))
    assert await uploads.sweep() == SHARE
    assert small.ids() == (set(), set())
    assert not is_refused(await create(client))


@pytest.mark.gen_test
async def test_a_process_that_dies_between_the_room_and_the_import_leaves_neither(
    client: Client, assembled: Assembled, small: UploadFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, uploads = assembled.parts.store, assembled.resources.uploads.uploads

    async def dies(document: Import) -> None:
        assert await uploads.sweep() == 0, "it has its file open"
        raise StoreUnavailable("as if it was killed")

    with monkeypatch.context() as patched:
        patched.setattr(store, "add", dies)
        assert (await create(client)).code == 503
    assert len(small.ids()[1]) == 1
    assert await uploads.sweep() == 1
    assert small.ids() == (set(), set())


@pytest.mark.gen_test
async def test_an_upload_that_begins_while_files_are_swept_stays(
    client: Client, assembled: Assembled, small: UploadFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep has found no import, and then the upload is accepted: it must look again."""
    uploads = assembled.resources.uploads.uploads
    path = await begun(client)
    document = await assembled.parts.store.get(path[1:])
    answers = iter([None, document])

    async def late(_: str) -> Import | None:
        return next(answers)

    with monkeypatch.context() as patched:
        patched.setattr(assembled.parts.store, "get", late)
        assert await uploads.sweep() == 0
    assert small.ids() == ({path[1:]}, {path[1:]})


@pytest.mark.gen_test
async def test_uploads_of_an_earlier_version_get_their_room(
    client: Client, guest: Client, assembled: Assembled, small: UploadFolder, folder: Path
) -> None:
    uploads = assembled.resources.uploads.uploads
    paths = [await begun(client) for _ in range(SHARE)]
    (folder / "room.journal").unlink()
    assert (await patch(client, paths[0], 0, DATA[:10])).code == 204
    assert small.ids()[1] == {paths[0][1:]}
    (folder / "room.journal").unlink()
    taken = await begun(guest, LIMIT // 2)
    assert (await patch(client, paths[0], 10, DATA[10:20])).code == 204, "an upload that has bytes goes on"
    assert small.ids()[1] == {taken[1:], paths[0][1:]}
    (folder / "room.journal").unlink()
    assert await uploads.sweep() == 0
    assert small.ids()[1] == {path[1:] for path in (*paths, taken)}
    assert is_refused(await create(client))


@pytest.mark.gen_test
async def test_an_upload_that_could_never_have_room_is_too_long(client: Client, assembled: Assembled) -> None:
    object.__setattr__(assembled.resources.uploads.uploads, "max_bytes", LIMIT // 2)
    assert code_of(await create(client, LIMIT // 2 + 1)) == (413, "request_body_too_large")
    assert (await client.fetch("/api/v1/uploads", method="OPTIONS")).headers["Tus-Max-Size"] == str(LIMIT // 2)
    assert not is_refused(await create(client, LIMIT // 2))


def test_a_file_that_is_written_is_no_ended_one(folder: Path) -> None:
    uploads = UploadFolder(folder, 100)
    upload_id = "0" * 8 + "-0" * 14
    with closing(uploads.begin(upload_id, "issuer", 10)):
        uploads.discard(upload_id)
        assert uploads.ids() == ({upload_id}, {upload_id})
    with closing(UploadFile.open(uploads.path(upload_id))):
        uploads.discard(upload_id)
        assert uploads.ids() == ({upload_id}, {upload_id})
    uploads.discard(upload_id)
    assert uploads.ids() == (set(), set())
