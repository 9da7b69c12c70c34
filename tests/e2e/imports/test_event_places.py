"""Streams of an organisation tell what the database commits, in that order, whatever clocks say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lading.service.documents import DocumentStore
from lading.service.models import Import
from tests.e2e.imports.test_events import Stream, listening, post
from tests.support.servers.service import Client, running_service, token

URL = "http://127.0.0.1:9/a.jpg"
HOUR = timedelta(hours=1)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.one_in(3))])
def store_environ(request: pytest.FixtureRequest) -> dict[str, str]:
    """Overrides for a document store, and no worker."""
    environ = request.getfixturevalue("mongo_environ") if request.param == "mongo" else {}
    return {"LADING_WORKER__ENABLED": "false", **environ}


def now() -> datetime:
    return datetime.now(UTC)


async def get(store: DocumentStore, import_id: str) -> Import:
    found = await store.get(import_id)
    assert found is not None
    return found


async def next_cancelled(stream: Stream) -> dict[str, Any]:
    event = await stream.next()
    while event["data"]["status"] != "cancelled":
        event = await stream.next()
    return event


@pytest.mark.sampled(2)
@pytest.mark.parametrize("paused", [timedelta(seconds=5), HOUR], ids=str)
@pytest.mark.gen_test(timeout=30)
async def test_a_state_that_is_written_long_after_it_was_decided_is_told(
    tmp_path: Path, store_environ: dict[str, str], paused: timedelta
) -> None:
    async with running_service(tmp_path, None, **store_environ) as service:
        client = Client(service.url, token(admin=True))
        store = service.parts.store
        late, other = [await post(client, URL) for _ in range(2)]
        async with listening(client, "/api/v1/events") as stream:
            decided = (await get(store, late)).cancelled(now() - paused)
            assert await store.update((await get(store, other)).cancelled(now()))
            event = await next_cancelled(stream)
            assert event["data"]["id"] == other
            assert await store.update(decided)
            assert (await next_cancelled(stream))["data"]["id"] == late
        async with listening(client, "/api/v1/events", event["id"]) as stream:
            assert (await next_cancelled(stream))["data"]["id"] == late


@pytest.mark.gen_test(timeout=30)
async def test_a_process_whose_clock_is_ahead_silences_no_other(tmp_path: Path, store_environ: dict[str, str]) -> None:
    async with running_service(tmp_path, None, **store_environ) as service:
        client = Client(service.url, token(admin=True))
        store = service.parts.store
        ids = [await post(client, URL) for _ in range(4)]
        async with listening(client, "/api/v1/events") as stream:
            for import_id, ahead in zip(ids[:3], (HOUR, timedelta(0), -HOUR), strict=True):
                assert await store.update((await get(store, import_id)).cancelled(now() + ahead))
                event = await next_cancelled(stream)
                assert event["data"]["id"] == import_id
        assert await store.update((await get(store, ids[3])).cancelled(now()))
        async with listening(client, "/api/v1/events", event["id"]) as stream:
            assert (await next_cancelled(stream))["data"]["id"] == ids[3]


@pytest.mark.gen_test(timeout=60)
async def test_a_client_goes_on_after_any_event_and_is_told_each_once(
    tmp_path: Path, store_environ: dict[str, str]
) -> None:
    async with running_service(tmp_path, None, **store_environ) as service:
        client = Client(service.url, token(admin=True))
        async with listening(client, "/api/v1/events") as stream:
            beginning = await stream.cursor()
            posted = [await post(client, URL) for _ in range(6)]
            events = [await stream.next() for _ in posted]
        assert [event["data"]["id"] for event in events] == posted
        last = await post(client, URL)
        for number, event_id in enumerate([beginning, *(event["id"] for event in events)]):
            async with listening(client, "/api/v1/events", event_id) as stream:
                told = [(await stream.next())["data"]["id"] for _ in range(7 - number)]
                assert told == [*posted[number:], last]
                fresh = await post(client, URL)
                assert (await stream.next())["data"]["id"] == fresh
                assert await service.parts.store.remove(await get(service.parts.store, fresh))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("text", ["none", "s1", "m82", "9" * 40, "m82FFFFFFFF000000012B0229296E04", "s" + "9" * 18])
@pytest.mark.gen_test(timeout=30)
async def test_what_is_no_id_of_an_event_begins_with_the_present(
    tmp_path: Path, store_environ: dict[str, str], text: str
) -> None:
    async with running_service(tmp_path, None, **store_environ) as service:
        client = Client(service.url, token(admin=True))
        async with listening(client, "/api/v1/events", text) as stream:
            assert stream.status == 200
            place = await stream.cursor()
            import_id = await post(client, URL)
            assert (await stream.next())["data"]["id"] == import_id
        async with listening(client, "/api/v1/events", place) as stream:
            assert (await stream.next())["data"]["id"] == import_id


@pytest.mark.gen_test(timeout=30)
async def test_the_id_of_an_earlier_version_is_gone_on_with(tmp_path: Path, store_environ: dict[str, str]) -> None:
    async with running_service(tmp_path, None, **store_environ) as service:
        client = Client(service.url, token(admin=True))
        known, missed = [await post(client, URL) for _ in range(2)]
        document = await get(service.parts.store, known)
        last_id = f"{round(document.updated_at.timestamp() * 1000)}-{known}"
        async with listening(client, "/api/v1/events", last_id) as stream:
            assert [(await stream.next())["data"]["id"] for _ in range(2)] == [known, missed]
            later = await post(client, URL)
            event = await stream.next()
            while event["data"]["id"] != later:  # all of these may be told again
                assert event["data"]["id"] in (known, missed)
                event = await stream.next()
        another = await post(client, URL)
        async with listening(client, "/api/v1/events", event["id"]) as stream:
            assert (await stream.next())["data"]["id"] == another


@pytest.mark.gen_test(timeout=30)
async def test_a_client_that_is_told_nothing_learns_how_far_it_has_come(
    tmp_path: Path, store_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lading.service.imports.events.stream.PLACE_SECONDS", 0.05)
    async with running_service(tmp_path, None, **store_environ) as service:
        poster = Client(service.url, token(admin=True))
        client = Client(service.url, token(abilities=("see",)))
        async with (
            listening(client, "/api/v1/events?album_id=imported_album") as stream,
            listening(poster, "/api/v1/events") as other,
        ):
            beginning = await stream.cursor()
            await post(poster, URL, "another")
            elsewhere = await other.next()
            place = await stream.cursor()
            while place < elsewhere["id"]:
                place = await stream.cursor()
            assert place > beginning
        import_id = await post(poster, URL)
        async with listening(poster, "/api/v1/events", place) as stream:
            assert (await stream.next())["data"]["id"] == import_id


@pytest.mark.gen_test(timeout=30)
async def test_a_removal_hides_nothing_that_comes_after_it(tmp_path: Path, store_environ: dict[str, str]) -> None:
    async with running_service(tmp_path, None, **store_environ) as service:
        client = Client(service.url, token(admin=True))
        store = service.parts.store
        newest = await post(client, URL)
        async with listening(client, "/api/v1/events") as stream:
            place = await stream.cursor()
            assert await store.remove(await get(store, newest))
            import_id = await post(client, URL)
            assert (await stream.next())["data"]["id"] == import_id
        async with listening(client, "/api/v1/events", place) as stream:
            assert (await stream.next())["data"]["id"] == import_id
