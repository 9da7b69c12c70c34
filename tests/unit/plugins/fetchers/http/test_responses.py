from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.plugins.errors import (
    FetchError,
    OriginDenied,
    OriginNotFound,
    OriginProtocolError,
    OriginRejected,
    OriginUnavailable,
)
from lading.plugins.fetchers.http import responses as http_responses

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ([], None),
        ([(b"Content-Length", b"0")], 0),
        ([(b"content-length", b"42")], 42),
        ([(b"Transfer-Encoding", b"Chunked")], None),
    ],
)
def test_framing_says_how_long_the_body_is(headers: list[tuple[bytes, bytes]], length: int | None) -> None:
    assert http_responses.check_framing(headers) == length


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Content-Length", b"3"), (b"Content-Length", b"3")],
        [(b"Content-Length", b"3"), (b"CONTENT-LENGTH", b"4")],
        [(b"Content-Length", b"3, 3")],
        [(b"Content-Length", b"-1")],
        [(b"Content-Length", b"+3")],
        [(b"Content-Length", b"0x3")],
        [(b"Content-Length", b"")],
        [(b"Content-Length", b"9" * 19)],
        [(b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked")],
        [(b"Transfer-Encoding", b"gzip")],
        [(b"Transfer-Encoding", b"gzip, chunked")],
        [(b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")],
    ],
)
def test_doubtful_framing_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(OriginProtocolError):
        http_responses.check_framing(headers)


@pytest.mark.parametrize("status", [200, 203])
def test_statuses_with_the_image(status: int) -> None:
    http_responses.check_status(status, [], NOW)


@pytest.mark.parametrize(
    ("statuses", "error"),
    [
        ((404, 410), OriginNotFound),
        ((401, 403, 407, 451), OriginDenied),
        ((408, 425, 429, 500, 502, 503, 504, 520, 599), OriginUnavailable),
        ((201, 202, 204, 205, 207, 226, 300, 305, 306, 400, 402, 405, 406, 409, 412, 416, 418, 499), OriginRejected),
        ((0, 99, 101, 199, 206, 304, 600, 999), OriginProtocolError),
    ],
)
def test_statuses_without_the_image(statuses: tuple[int, ...], error: type[FetchError]) -> None:
    for status in statuses:
        with pytest.raises(FetchError) as caught:
            http_responses.check_status(status, [], NOW)
        assert type(caught.value) is error
        assert str(status) in caught.value.detail
        assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0),
        (b"120", 120),
        (b" 7 ", 7),
        (b"3600", 3600),
        (b"3601", 3600),
        (b"9" * 5000, 3600),
        (b"Sat, 01 Aug 2026 12:01:30 GMT", 90),
        (b"Saturday, 01-Aug-26 12:01:30 GMT", 90),
        (b"Sat Aug  1 12:01:30 2026", 90),
        (b"Sat, 01 Aug 2026 11:00:00 GMT", 0),
        (b"Sat, 01 Aug 2099 11:00:00 GMT", 3600),
        (b"", None),
        (b"soon", None),
        (b"-5", None),
        (b"1.5", None),
        (b"\xb2", None),
        (b"Sat, 99 Aug 2026 11:00:00 GMT", None),
        (b"Sat, 01 Aug 99999 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_capped(value: bytes, seconds: float | None) -> None:
    with pytest.raises(OriginUnavailable) as caught:
        http_responses.check_status(503, [(b"Retry-After", value)], NOW)
    assert caught.value.retry_after == seconds


def test_a_repeated_retry_after_says_nothing() -> None:
    with pytest.raises(OriginUnavailable) as caught:
        http_responses.check_status(429, [(b"Retry-After", b"1"), (b"Retry-After", b"2")], NOW)
    assert caught.value.retry_after is None


@given(st.binary(max_size=40))
def test_no_retry_after_breaks_the_fetch(value: bytes) -> None:
    with pytest.raises(OriginUnavailable):
        http_responses.check_status(503, [(b"Retry-After", value)], NOW)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"image/jpeg", "image/jpeg"),
        (b"Image/PNG ; charset=x", "image/png"),
        (b"image/svg+xml", "image/svg+xml"),
        (b"image", None),
        (b"", None),
        (b"image/" + b"x" * 100, None),
        (b"image/\xe9", None),
        (b"<script>/x", None),
    ],
)
def test_media_types(value: bytes, read: str | None) -> None:
    assert http_responses.media_type([(b"Content-Type", value)]) == read


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([b'"abc"'], '"abc"'),
        ([], None),
        ([b"a", b"b"], None),
        ([b"x" * 513], None),
        ([b"\xff"], None),
        ([b"a\tb"], None),
    ],
)
def test_validators_are_kept_only_where_they_are_plain(values: list[bytes], read: str | None) -> None:
    assert http_responses.validator([(b"ETag", value) for value in values], b"etag") == read


@pytest.mark.parametrize("headers", [[], [(b"Location", b"")], [(b"Location", b"/a"), (b"Location", b"/b")]])
def test_a_redirect_leads_to_exactly_one_place(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(OriginProtocolError):
        http_responses.location(headers)


def test_locations_are_utf_8_or_keep_their_bytes() -> None:
    assert http_responses.location([(b"Location", "/é".encode())]) == "/é"
    assert http_responses.location([(b"Location", "/é".encode("latin-1"))]) == "/%E9"
