import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.plugins.errors import OriginProtocolError
from lading.plugins.fetchers.http.wire.heads import HeadFilter
from lading.plugins.testing.origin import Origin, raw
from tests.unit.plugins.fetchers.support import fetch, http_fetcher

INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
STATUS = b"HTTP/1.1 200 OK\r\n"
FINAL = STATUS + b"A: b\r\n\r\n"
BODY = b"body\r\n\r\nno: field\r\n\r\nmore"


def filtered(head: HeadFilter, data: bytes, size: int) -> tuple[bytes, bytes]:
    """What is let through of the head, and the body, of bytes that come so many at a time."""
    let_through = body = b""
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        kept, rest = (b"", piece) if head.is_over else head.feed(piece)
        let_through += kept
        body += rest
    return let_through, body


# --- lines that are no fields -----------------------------------------------------------------------------------------

SKIPPED = {
    "no colon": b"nonsense\r\n",
    "a sentence": b"this is no field\r\n",
    "a second status line": b"HTTP/1.0 200 OK\r\n",
    "quoted": b'"Content-Type": "image/png"\r\n',
    "half quoted": b'"X-Served-By: cache\r\n',
    "no name": b": x\r\n",
    "no name and no value": b":\r\n",
    "white space within the name": b"Content Type: image/png\r\n",
    "brackets": b"X-Cache[0]: hit\r\n",
    "bytes beyond ASCII": "Größe: 3\r\n".encode(),
    "a control character": b"A\x00B: c\r\n",
    "bare carriage return": b"nonsense\rmore\r\n",
    "a tag": b"<meta charset=utf-8>\r\n",
    "white space before the first field": b" A: b\r\n",
    "several": b"one\r\n: two\r\nthree\n",
    "folded": b"no field\r\n that: goes on\r\n\tand on\r\n",
    "a line feed alone": b"no field\n",
}


@pytest.mark.parametrize("line", SKIPPED.values(), ids=SKIPPED)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_that_are_no_fields_are_left_out(line: bytes, size: int) -> None:
    fields = b"ETag: x\r\nContent-Length: 3\r\n"
    whole = STATUS + line + fields + line.removeprefix(b" A: b\r\n") + b"\r\n"
    assert filtered(HeadFilter(1000), whole + BODY, size) == (STATUS + fields + b"\r\n", BODY)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"ETag : x\r\n", b"ETag: x\r\n"),
        (b"ETag \t :x\n", b"ETag:x\n"),
        (b"Transfer-Encoding-Note : x\r\n", b"Transfer-Encoding-Note: x\r\n"),
        (b"A: b\r\n folded\r\n", b"A: b\r\n folded\r\n"),
        (b"A: b\r\n Content-Length: 4\r\n", b"A: b\r\n Content-Length: 4\r\n"),
        (b"A:\r\n", b"A:\r\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_fields_are_kept(line: bytes, kept: bytes, size: int) -> None:
    assert filtered(HeadFilter(1000), STATUS + line + b"\r\n" + BODY, size) == (STATUS + kept + b"\r\n", BODY)


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length : 3\r\n",
        b"transfer-encoding\t: chunked\r\n",
        b'"Content-Length": 3\r\n',
        b" Content-Length: 3\r\n",
        b"Content-Length 3\r\n",
        b"Content-Length\r\n",
        b"\x0bTransfer-Encoding: chunked\r\n",
        b"A\rContent-Length: 3\r\n",
        b"no field\r\n Content-Length: 3\r\n",
        b"Transfer-Encoding=chunked\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_line_that_may_frame_the_body_is_not_left_out(line: bytes, size: int) -> None:
    with pytest.raises(OriginProtocolError, match="malformed name"):
        filtered(HeadFilter(1000), STATUS + line + b"\r\n" + BODY, size)


@pytest.mark.parametrize("size", [1, 1000])
def test_a_head_of_nothing_but_such_lines_is_refused(size: int) -> None:
    with pytest.raises(OriginProtocolError, match="more than 64 lines"):
        filtered(HeadFilter(32_768), STATUS + b"odd\r\n" * 65 + b"\r\n" + BODY, size)


@pytest.mark.parametrize("line", SKIPPED.values(), ids=SKIPPED)
@pytest.mark.gen_test
async def test_an_image_behind_an_odd_head_is_fetched(line: bytes) -> None:
    head = STATUS + line + b"Content-Type : image/png\r\nContent-Length: 3\r\n\r\n"
    async with Origin({"/a": raw(head + b"abc", keep=True)}) as origin, http_fetcher() as fetcher:
        assert [await fetch(fetcher, origin.url("/a")) for _ in range(2)] == [b"abc", b"abc"]
    assert origin.connections == 1, "the connection was not kept"


# --- the head's length ------------------------------------------------------------------------------------------------


@given(
    st.sampled_from([b"", b"\r\n", INTERIM, INTERIM * 3, b"HTTP/1.1 100 Continue\r\nodd\r\n\r\n"]), st.integers(1, 90)
)
def test_the_body_begins_behind_the_final_head_however_it_is_cut(before: bytes, size: int) -> None:
    head = HeadFilter(1000)
    let_through, body = filtered(head, before + FINAL + BODY, size)
    assert head.is_over
    assert let_through.lstrip() == before.replace(b"odd\r\n", b"").lstrip() + FINAL
    assert body == BODY


def test_bytes_that_are_no_http_are_let_through_at_once() -> None:
    head = HeadFilter(1000)
    assert head.feed(b"SSH-") == (b"SSH-", b"")
    assert head.feed(b"2.0") == (b"2.0", b"")
    assert head.feed(b"\r\n") == (b"\r\n", b"")


def test_a_head_of_exactly_the_limit_passes() -> None:
    for size in (1, 1000):
        assert filtered(HeadFilter(len(FINAL)), FINAL + BODY, size) == (FINAL, BODY)


@pytest.mark.parametrize(
    "piece",
    [
        FINAL,
        FINAL[:-2] + b"C: d",
        INTERIM + FINAL,
        b"\r\n" * 40,
        b"x" * 40,
        INTERIM,
        STATUS + b"odd\r\n" * 9,
    ],
)
def test_a_longer_head_is_refused_at_the_byte_that_is_too_many(piece: bytes) -> None:
    for size in (1, len(piece)):
        with pytest.raises(OriginProtocolError, match="longer than"):
            filtered(HeadFilter(len(FINAL) - 1), piece, size)


def test_interim_heads_count_together() -> None:
    with pytest.raises(OriginProtocolError):
        filtered(HeadFilter(1000), INTERIM * 1000, len(INTERIM))


def test_as_many_interim_heads_as_no_server_sends_are_refused() -> None:
    assert filtered(HeadFilter(10_000), INTERIM * 16 + FINAL, 100)
    with pytest.raises(OriginProtocolError, match="more than 16 interim heads"):
        filtered(HeadFilter(10_000), INTERIM * 17 + FINAL, 100)
