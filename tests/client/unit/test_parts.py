"""The parts of the client: errors, models, the parser of events, signatures, both clients' operations."""

import base64
import hashlib
import hmac
import json
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

import lading.client
from lading.client import (
    AsyncClient,
    Client,
    Conflict,
    Import,
    ImportFailed,
    LadingError,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerNotReachable,
    SignatureInvalid,
    TimedOut,
    Unavailable,
    ValidationFailed,
    webhooks,
)
from lading.client.core import next_query
from lading.client.errors import answered
from lading.client.operations import Operations
from lading.client.sse import LONGEST_LINE, EventParser
from lading.client.steps import Head
from tests.client.unit.playing import shown

FACTS = {
    "format": "JPEG", "content_type": "image/jpeg", "width": 960, "height": 600, "orientation": 1, "frames": 1,
    "byte_size": 49093, "sha256": "76d7", "storage": "local", "deleted_at": None,
}  # fmt: skip


# --- both clients -----------------------------------------------------------------------------------------------------


def test_both_clients_have_every_operation() -> None:
    own = {name for name in dir(Operations) if not name.startswith("_")}
    helpers = {
        "again",
        "chance",
        "clock",
        "document",
        "exchange",
        "follow_redirects",
        "opened",
        "pages",
        "read",
        "retry",
        "tries",
    }
    wanted = own - helpers - {"url", "url_of"}
    assert len(wanted) > 30
    for kind, close in ((Client, "close"), (AsyncClient, "aclose")):
        assert {name for name in dir(kind) if not name.startswith("_")} == wanted | {close}
        assert all(getattr(kind, name).__doc__ == getattr(Operations, name).__doc__ for name in wanted)


def test_every_name_is_there() -> None:
    assert [name for name in lading.client.__all__ if not hasattr(lading.client, name)] == []


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, ValidationFailed) for status in (400, 413, 415, 416, 422, 431, 460)),
        (401, NotAuthenticated), (403, PermissionDenied), (404, NotFound), (410, NotFound), (409, Conflict),
        (412, Conflict), (423, Conflict), (429, RateLimited), (503, Unavailable), (507, Unavailable),
        (500, LadingError), (418, LadingError),
    ],
)  # fmt: skip
def test_an_error_has_its_class(status: int, kind: type[LadingError]) -> None:
    body = {"code": "x_y", "detail": "Why.", "request_id": "r", "parameter": "url"}
    error = answered(status, {}, json.dumps(body).encode())
    assert type(error) is kind
    assert (error.code, error.status, error.detail, error.request_id) == ("x_y", status, "Why.", "r")
    assert error.errors == ({"parameter": "url", "detail": "Why."},)
    assert str(error) == "x_y: Why. (request r)"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.errors) == (kind, str(error), error.errors)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"x"', b'{"errors": "x", "code": null}', b"\xff"])
def test_any_body_is_an_error(body: bytes) -> None:
    error = answered(503, {"retry-after": "soon", "x-request-id": "r"}, body)
    assert (error.code, error.request_id, error.errors, error.retry_after) == ("http_503", "r", (), None)


def test_retry_after_is_a_number_or_a_date() -> None:
    def seconds(value: str) -> float | None:
        return answered(503, {"retry-after": value}, b"").retry_after

    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert seconds("12") == 12
    assert 90 < (seconds(later) or 0) <= 100
    assert seconds("Fri, 01 Jan 1990 00:00:00 GMT") == 0
    assert [seconds(value) for value in ("", "-1", "1.5", "9" * 30, "\u0661")] == [None] * 5


def test_errors_of_the_client_itself_survive_a_pickle() -> None:
    failed = ImportFailed(
        Import.of(shown("failed", error={"code": "not_an_image", "detail": "No.", "retryable": False}))
    )
    for error in (TimedOut("late"), ServerNotReachable("cut", was_sent=True), SignatureInvalid("no"), failed):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), copy.code) == (type(error), str(error), error.code)
    assert isinstance(TimedOut("late"), TimeoutError)
    assert ImportFailed(Import.of(shown("cancelled"))).code == "cancelled"


# --- models -----------------------------------------------------------------------------------------------------------


def test_a_document_keeps_what_is_unknown() -> None:
    document = {**shown("done", image_id="i", image={**FACTS, "palette": [1]}), "shelf": "B"}
    read = Import.of(document)
    assert (read.extra, read.raw) == ({"shelf": "B"}, document)
    assert read.image is not None
    assert read.image.extra == {"palette": [1]}
    assert read.created_at == datetime(2026, 8, 1, 12, tzinfo=UTC)
    assert read == Import.of(document)
    assert "www.example.org" not in repr(read), "parameters may hold what is secret"
    with pytest.raises(AttributeError):
        read.status = "failed"  # type: ignore[misc]


def test_an_image_is_read_from_its_import() -> None:
    stored = Import.of(
        shown("done", image_id="i", image=FACTS, params={"filename": "a.jpg", "metadatas": {"a": 1}})
    ).stored
    assert stored is not None
    assert (stored.id, stored.filename, stored.metadata, stored.width) == ("i", "a.jpg", {"a": 1}, 960)
    gone = {**FACTS, "deleted_at": "2026-08-01T12:00:00.000+00:00"}
    assert Import.of(shown("done", image_id="i", image=gone)).stored is None
    assert Import.of(shown("queued")).stored is None


@pytest.mark.parametrize(
    ("link", "query"),
    [
        ("", None),
        ('</api/v1/imports?limit=2&cursor=a%2Bb>; rel="next"', (("limit", "2"), ("cursor", "a+b"))),
        ('<https://evil.example/?cursor=x>; rel="next"', (("cursor", "x"),)),
        ('</first>; rel="first", </x?cursor=y>; rel="next"', (("cursor", "y"),)),
        ('</first>; rel="prev"', None),
    ],
)
def test_of_a_link_only_the_query_counts(link: str, query: Any) -> None:
    assert next_query(Head(200, {"link": link})) == query


# --- events -----------------------------------------------------------------------------------------------------------

STREAM = (
    'retry: 1500\n\n: a comment\nid: 7\n\nevent: state\nid: 8\ndata: {"id":\ndata: "ü"}\n\n'
    "event: nothing\n\nid: a\0b\ndata:{}\n\nunknown: x\ndata: {}"
)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_stream_is_read_however_it_is_cut(end: str, size: int) -> None:
    data = b"\xef\xbb\xbf" + STREAM.replace("\n", end).encode()
    parser = EventParser()
    events = [event for offset in range(0, len(data), size) for event in parser.feed(data[offset : offset + size])]
    assert [(event.type, event.id, event.data) for event in events] == [
        ("state", "8", {"id": "ü"}),
        ("message", "8", {}),
    ]
    assert (parser.last_id, parser.retry) == ("8", 1.5)


def test_what_is_incomplete_is_forgotten_with_its_stream() -> None:
    parser = EventParser("5")
    assert [*parser.feed(b"id: 6\nevent: state\ndata: {")] == []
    parser.restart()
    assert parser.last_id == "5"
    (event,) = parser.feed(b"data: {}\n\n")
    assert (event.type, event.id) == ("message", "5")
    assert [*parser.feed(b"id\n\n")] == []
    assert parser.last_id == ""


@pytest.mark.parametrize("data", [b"data: x\n\n", b"data: []\n\n", b"data: " + b"x" * (LONGEST_LINE + 1)])
def test_what_is_no_event_is_told(data: bytes) -> None:
    with pytest.raises(LadingError) as error:
        list(EventParser().feed(data))
    assert error.value.code == "answer_invalid"


# --- signatures -------------------------------------------------------------------------------------------------------

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
BODY = b'{"type": "ping", "timestamp": "2026-08-01T12:00:00.000+00:00", "data": {}}'
NOW = 1_800_000_000


def signed(body: bytes = BODY, key: bytes = b"k" * 32, moment: str = str(NOW)) -> dict[str, str]:
    digest = hmac.digest(key, b"evt_1." + moment.encode() + b"." + body, hashlib.sha256)
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": "evt_1", "webhook-timestamp": moment, "webhook-signature": f"v1a,x {signature} v1,x"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, BODY),
        ({**signed(), "webhook-signature": ""}, BODY),
        ({**signed(), "webhook-signature": signed()["webhook-signature"].replace("v1,", "v2,")}, BODY),
        ({**signed(), "webhook-id": "evt_2"}, BODY),
        ({**signed(), "webhook-timestamp": "now"}, BODY),
        (signed(key=b"j" * 32), BODY),
        (signed(), BODY + b" "),
        (signed(moment=str(NOW - 301)), BODY),
        (signed(moment=str(NOW + 301)), BODY),
        (signed(moment="9" * 400), BODY),
        (signed(b"[]"), b"[]"),
        (signed(b"\xff"), b"\xff"),
    ],
)
def test_what_is_not_signed_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        webhooks.verify(body, headers, SECRET, clock=lambda: NOW)


def test_what_is_signed_is_an_event() -> None:
    assert webhooks.verify(BODY, signed(moment=str(NOW - 299)), SECRET, clock=lambda: NOW).type == "ping"
    old = signed(moment=str(NOW - 3600))
    assert webhooks.verify(BODY, old, [SECRET], tolerance=3601, clock=lambda: NOW).id == "evt_1"
    for secret in ("", "whsec_", "whsec_!", base64.b64encode(b"k" * 32).decode()):
        with pytest.raises(ValueError, match="whsec_"):
            webhooks.verify(BODY, signed(), secret)
