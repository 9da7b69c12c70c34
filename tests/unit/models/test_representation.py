"""Import documents as JSON."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lading.service.models import Failure, Image, Import, Status
from lading.service.models.representation import accepted, detailed, encode, timestamp

EIGHT = (
    "id",
    "organization_id",
    "image_id",
    "import_type",
    "album_id",
    "params",
    "created_at",
    "updated_at",
)
IMAGE = Image(
    format="PNG",
    content_type="image/png",
    width=3,
    height=2,
    frames=1,
    byte_size=5,
    sha256="0f" * 32,
    storage="local",
    key="ab/cd/secret-place",
)
MOMENT = datetime(2019, 4, 8, 17, 38, 57, 714_000, tzinfo=UTC)


def document(**changes: Any) -> Import:
    values: dict[str, Any] = {
        "id": "f60ae96b-2681-4885-8437-356e9fae9f6e",
        "organization_id": "organization",
        "issuer_id": "issuer",
        "params": {"z": "1", "url": "http://host/", "album_id": "album", "controller": "c", "action": "a"},
        "created_at": MOMENT,
        "updated_at": MOMENT + timedelta(seconds=1),
        "run_at": MOMENT,
        "status": Status.QUEUED,
        **changes,
    }
    return Import(**values)


def test_the_accepted_document_has_eight_keys_in_order() -> None:
    shown = accepted(document(), timezone(timedelta(hours=2)), document().params)
    assert tuple(shown) == EIGHT
    assert encode(shown) == (
        b'{"id":"f60ae96b-2681-4885-8437-356e9fae9f6e","organization_id":"organization","image_id":null,'
        b'"import_type":null,"album_id":"album",'
        b'"params":{"z":"1","url":"http://host/","album_id":"album","controller":"c","action":"a"},'
        b'"created_at":"2019-04-08T19:38:57.714+02:00","updated_at":"2019-04-08T19:38:58.714+02:00"}'
    )


def test_the_detailed_document_begins_with_the_same_keys() -> None:
    shown = detailed(document(attempts=2), UTC)
    assert tuple(shown) == (*EIGHT, "status", "attempts", "error", "image")
    assert {
        **accepted(document(), UTC, document().params),
        **{name: shown[name] for name in ("status", "attempts")},
    } == {name: value for name, value in shown.items() if name not in ("error", "image")}
    assert (shown["status"], shown["attempts"], shown["error"], shown["image"]) == ("queued", 2, None, None)


def test_a_finished_import_shows_its_image_but_not_its_place() -> None:
    shown = detailed(document(status=Status.DONE, image=IMAGE, image_id="i", import_type="url"), UTC)
    assert list(shown["image"].items()) == [
        ("format", "PNG"),
        ("content_type", "image/png"),
        ("width", 3),
        ("height", 2),
        ("orientation", None),
        ("frames", 1),
        ("byte_size", 5),
        ("sha256", "0f" * 32),
        ("storage", "local"),
        ("deleted_at", None),
    ]
    assert b"secret-place" not in encode(shown)
    assert (shown["image_id"], shown["import_type"]) == ("i", "url")


def test_an_image_shows_its_orientation_and_its_notes_where_there_are_any() -> None:
    image = replace(IMAGE, orientation=6, notes=("tail_missing",))
    shown = detailed(document(status=Status.DONE, image=image, image_id="i"), UTC)["image"]
    assert (shown["orientation"], shown["notes"]) == (6, ["tail_missing"])
    assert list(shown)[3:6] == ["height", "orientation", "frames"]
    duplicate = detailed(document(status=Status.DONE, duplicate=image, image_id="i"), UTC)["image"]
    assert (duplicate["orientation"], duplicate["notes"]) == (6, ["tail_missing"])


def test_a_deleted_image_is_shown_as_what_it_was_and_when_it_went() -> None:
    done = document(status=Status.DONE, image=IMAGE, image_id="i", image_deleted_at=MOMENT)
    shown = detailed(done, timezone(timedelta(hours=2)))["image"]
    assert (shown["sha256"], shown["deleted_at"]) == ("0f" * 32, "2019-04-08T19:38:57.714+02:00")
    assert detailed(replace(done, image_purged_at=MOMENT), UTC)["image"] == {
        **shown,
        "deleted_at": "2019-04-08T17:38:57.714+00:00",
    }


def test_a_failed_import_shows_why() -> None:
    shown = detailed(document(status=Status.FAILED, error=Failure("code", "detail", retryable=False)), UTC)
    assert shown["error"] == {"code": "code", "detail": "detail", "retryable": False}


def test_nothing_internal_is_shown() -> None:
    shown = detailed(
        document(status=Status.RUNNING, worker_id="worker-7", abandoned=3, host="host-8", revision=99), UTC
    )
    text = encode(shown).decode().replace("http://host/", "")
    assert not any(word in text for word in ("worker-7", "issuer", "abandoned", "host-8", "revision", "run_at"))


def test_the_secrets_that_an_earlier_version_kept_are_not_shown() -> None:
    params = {"headers": {"Authorization": "Bearer hush", "X": "hush"}, "url": "http://host/?w=1&sig=hush"}
    found = document(params=params)
    shown = detailed(found, UTC)
    assert shown["params"] == {
        "headers": {"Authorization": "[FILTERED]", "X": "[FILTERED]"},
        "url": "http://host/?w=1&sig=[FILTERED]",
    }
    assert list(shown["params"]) == ["headers", "url"]
    assert found.params == params
    assert accepted(found, UTC, params)["params"] is params


@pytest.mark.parametrize("headers", [None, {}])
def test_no_headers_are_shown_as_they_are(headers: Any) -> None:
    assert detailed(document(params={"headers": headers}), UTC)["params"] == {"headers": headers}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (UTC, "2019-04-08T17:38:57.714+00:00"),
        (timezone(timedelta(hours=2)), "2019-04-08T19:38:57.714+02:00"),
        (ZoneInfo("Asia/Kathmandu"), "2019-04-08T23:23:57.714+05:45"),
        (timezone(-timedelta(hours=9, minutes=30)), "2019-04-08T08:08:57.714-09:30"),
    ],
)
def test_timestamps_have_milliseconds_and_a_numeric_offset(zone: Any, expected: str) -> None:
    assert timestamp(MOMENT, zone) == expected


def test_summer_time_follows_the_moment_and_not_the_present() -> None:
    vienna = ZoneInfo("Europe/Vienna")
    assert timestamp(datetime(2026, 1, 1, tzinfo=UTC), vienna) == "2026-01-01T01:00:00.000+01:00"
    assert timestamp(datetime(2026, 7, 1, tzinfo=UTC), vienna) == "2026-07-01T02:00:00.000+02:00"


def test_json_is_compact_utf8_with_its_keys_in_order() -> None:
    value = {"b": "\u00e9\U0001f40c</script>\n", "a": [1, 2.5, None, True]}
    assert encode(value) == '{"b":"\u00e9\U0001f40c</script>\\n","a":[1,2.5,null,true]}'.encode()
    assert json.loads(encode(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_never_written(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"a": value})
