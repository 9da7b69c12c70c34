"""One import through its life, by both clients; and what is lost on the way."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from lading.client import (
    Conflict,
    Import,
    ImportFailed,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    ServerNotReachable,
    TimedOut,
    Unavailable,
    Upload,
    ValidationFailed,
)
from tests.client.both import Api, AsyncApi
from tests.client.conftest import ALBUM, Place
from tests.support.servers.cutting_proxy import DROPPED, CuttingProxy, Harm, refused
from tests.support.servers.programs.ports import free_port
from tests.support.servers.service import token


def test_an_import_is_accepted_awaited_and_shown(api: Api, place: Place) -> None:
    accepted = api.call("import_url", place.photo, album_id=ALBUM, metadata={"trip": "Vienna"}, tags=["a", "b"])
    assert (accepted.status, accepted.is_final, accepted.album_id) == (None, False, ALBUM)
    done = api.call("wait", accepted, timeout=60)
    assert done == api.call("get_import", accepted.id)
    assert (done.status, done.image.format, done.image.byte_size) == ("done", "JPEG", 49093)
    assert done.params["metadata"] == {"trip": "Vienna"}
    assert done.params["tags"] == ["a", "b"]
    assert done.created_at <= done.updated_at
    trace = api.call("trace", done.id)
    assert [attempt.status for attempt in trace.attempts] == ["done"]
    mirrored = api.call("import_url", [place.page, place.photo], album_id=ALBUM, wait=60)
    assert mirrored.is_done


def test_a_failed_import_raises_unless_it_is_asked_not_to(api: Api, place: Place) -> None:
    with pytest.raises(ImportFailed) as failed:
        api.call("import_url", place.page, album_id=ALBUM, wait=60)
    again = api.call("import_url", place.page, album_id=ALBUM, wait=60, check=False)
    assert (again.status, again.error.retryable) == ("failed", False)
    assert failed.value.code == again.error.code == "not_an_image"
    assert failed.value.document.error == again.error
    with pytest.raises(ImportFailed):
        api.call("wait", again.id)
    assert api.call("wait", again.id, check=False) == again
    assert api.call("retry_import", again.id).status == "queued"
    assert api.call("wait", again.id, check=False).attempts == 1
    assert "would_succeed" not in api.call("preflight", place.photo, album_id=ALBUM).extra
    told = api.call("preflight", place.page, album_id=ALBUM)
    assert (told.would_succeed, told.error.code) == (False, "not_an_image")
    assert told.error.hint


def test_an_import_that_waits_is_timed_out_cancelled_and_deleted(api: Api) -> None:
    waiting = api.call("import_file", b"GIF89a", album_id=ALBUM, check=False)
    assert waiting.status == "failed"
    begun: list[str] = []

    def stop(upload: object) -> None:
        begun.append(upload.import_id)  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.call("import_file", b"GIF89a", album_id=ALBUM, on_progress=stop)
    with pytest.raises(TimedOut, match=r"still waiting after 0\.05 seconds"):
        api.call("wait", begun[0], timeout=0.05)
    assert api.call("cancel_import", begun[0]).status == "cancelled"
    assert api.call("cancel_import", begun[0]).status == "cancelled"
    with pytest.raises(ImportFailed) as ended:
        api.call("wait", begun[0])
    assert ended.value.code == "cancelled"
    assert api.call("delete_import", begun[0]) is True
    with pytest.raises(NotFound):
        api.call("get_import", begun[0])


@pytest.mark.parametrize("kind", ["async"], indirect=True)
def test_a_call_that_is_cancelled_leaves_the_client_as_it_was(api: AsyncApi) -> None:
    begun: list[Upload] = []

    async def left() -> None:
        uploading = asyncio.create_task(api.client.import_file(b"GIF89a", album_id=ALBUM, on_progress=begun.append))
        while not begun:
            await asyncio.sleep(0.01)
        uploading.cancel()
        with suppress(asyncio.CancelledError, ImportFailed):
            await uploading
        waiting = asyncio.create_task(api.client.wait(begun[0].import_id))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with suppress(asyncio.CancelledError, ImportFailed):
            await waiting

    api.runner.run(left())
    assert api.call("get_import", begun[0].import_id).id == begun[0].import_id


def test_lists_are_read_page_after_page(api: Api, place: Place) -> None:
    ids = [api.call("import_url", place.photo, album_id=ALBUM, metadata={"list": api_kind(api)}).id for _ in range(5)]
    listed = api.many("iter_imports", album_id=ALBUM, metadata={"list": api_kind(api)}, page_size=2)
    assert [one.id for one in listed] == ids[::-1]
    moment = api.call("get_import", ids[2]).created_at
    (counted,) = [one for one in api.many("iter_albums", page_size=1) if one.album_id == ALBUM]
    assert counted.import_count >= len(ids)
    assert counted.newest_at >= api.call("get_import", ids[-1]).created_at
    within = {"metadata": {"list": api_kind(api)}, "created_before": moment + timedelta(milliseconds=1)}
    assert {one.id for one in api.many("iter_imports", **within)} >= set(ids[:3]) - {ids[3], ids[4]}
    assert len(api.first(2, "iter_imports", metadata={"list": api_kind(api)}, page_size=1)) == 2
    for import_id in ids:
        api.call("wait", import_id)
    images = api.many("iter_images", album_id=ALBUM, page_size=3)
    assert set(ids) <= {image.import_id for image in images}
    assert api.call("get_image", images[0].id).sha256 == images[0].sha256


def api_kind(api: Api) -> str:
    """A mark of the test's own imports."""
    return type(api).__name__


@pytest.mark.parametrize(
    ("refusal", "given", "code"),
    [
        (ValidationFailed, {"url": "ftp://www.example.org/a.jpg"}, "url_scheme_not_allowed"),
        (PermissionDenied, {"album_id": "another_album"}, "forbidden"),
        (ValidationFailed, {"dedupe": "everywhere"}, "parameter_invalid"),
    ],
)
def test_a_refusal_is_an_exception_by_code(
    api: Api, place: Place, refusal: type[Exception], given: dict[str, str], code: str
) -> None:
    with pytest.raises(refusal) as refused_with:
        api.call("import_url", **{"url": place.photo, "album_id": ALBUM, **given})
    error = refused_with.value
    assert getattr(error, "code", "") == code
    assert getattr(error, "request_id", "") in str(error) != ""
    if refusal is ValidationFailed:
        assert [one["parameter"] for one in getattr(error, "errors", ())] == [next(iter(given))]


def test_other_errors_of_requests(api: Api, connect: Callable[..., Api], place: Place) -> None:
    with pytest.raises(NotFound):
        api.call("get_import", "00000000-0000-4000-8000-000000000000")
    with pytest.raises(NotFound):
        api.call("get_import", "a/../../../healthz?x")
    with pytest.raises(ValueError, match="no id"):
        api.call("get_import", "..")
    with pytest.raises(NotAuthenticated):
        connect(place.url, token(expires=timedelta(hours=-1))).call("trace", "x")
    with pytest.raises(NotAuthenticated):
        connect(place.url, "").call("trace", "x")
    done = api.call("import_url", place.photo, album_id=ALBUM, wait=60)
    with pytest.raises(Conflict):
        api.call("cancel_import", done.id)
    with pytest.raises(ServerNotReachable) as nobody:
        connect(f"http://127.0.0.1:{free_port()}").call("trace", "x")
    assert not nobody.value.was_sent


# --- faults -----------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_lost_makes_no_second_import(harmed: Api, proxy: CuttingProxy, place: Place) -> None:
    metadata = {"lost": api_kind(harmed)}
    proxy.harm("POST /api/v1/imports ", DROPPED, DROPPED)
    done = harmed.call("import_url", place.photo, album_id=ALBUM, metadata=metadata)
    assert proxy.is_done
    assert [line for line in proxy.requests if line.startswith("POST")] == ["POST /api/v1/imports HTTP/1.1"] * 3
    (only,) = harmed.many("iter_imports", metadata=metadata)
    assert only.id == done.id


def test_a_key_of_the_callers_own_gives_the_same_import(api: Api, place: Place) -> None:
    key = f"own-{api_kind(api)}"
    first, second = (api.call("import_url", place.photo, album_id=ALBUM, idempotency_key=key) for _ in range(2))
    assert first.id == second.id
    with pytest.raises(ValidationFailed) as reused:
        api.call("import_url", place.page, album_id=ALBUM, idempotency_key=key)
    assert reused.value.code == "idempotency_key_reused"


def test_a_service_that_is_busy_is_asked_again_when_it_wants(harmed: Api, proxy: CuttingProxy, place: Place) -> None:
    busy = (refused("429 Too Many Requests", Retry_After="0"), refused("503 Service Unavailable", Retry_After="0"))
    proxy.harm("POST /api/v1/imports ", *busy)
    proxy.harm("GET ", *busy, DROPPED)
    accepted = harmed.call("import_url", place.photo, album_id=ALBUM)
    assert harmed.call("wait", accepted).is_done
    assert proxy.is_done
    proxy.harm("GET ", *[refused("503 Service Unavailable", Retry_After="3600")] * 2)
    with pytest.raises(Unavailable) as unavailable:
        harmed.call("get_import", accepted.id)
    assert unavailable.value.retry_after == 3600
    assert not proxy.is_done, "it was asked again before the hour was over"


def test_what_may_not_be_sent_twice_is_not(harmed: Api, proxy: CuttingProxy, place: Place) -> None:
    failed = harmed.call("import_url", place.page, album_id=ALBUM, wait=60, check=False)
    proxy.harm("POST /api/v1/imports/", DROPPED)
    with pytest.raises(ServerNotReachable) as lost:
        harmed.call("retry_import", failed.id)
    assert lost.value.was_sent
    assert harmed.call("wait", failed.id, check=False).status == "failed"
    proxy.harm("DELETE ", DROPPED)
    assert harmed.call("delete_import", failed.id) is True
    with pytest.raises(NotFound):
        harmed.call("delete_import", failed.id)


def test_a_body_that_breaks_off_is_read_again(harmed: Api, proxy: CuttingProxy, place: Place) -> None:
    done = harmed.call("import_url", place.photo, album_id=ALBUM, wait=60)
    from lading.client.core import Core  # noqa: F401, PLC0415

    proxy.harm("GET ", Harm(answer_bytes=900))
    shown: Import = harmed.call("get_import", done.id)
    assert shown == done
    assert proxy.is_done
