"""The short ways for heads lead where Tornado's own lead."""

import itertools
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPOutputError, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream

from lading.service.api.http.connections.connection import Connection, plain_head
from lading.service.api.http.headers import WireHeaders

LINES = ("POST /imports?a=b HTTP/1.1", "GET / HTTP/1.0", "x", "", "GET /\r HTTP/1.1", "\r\nGET / HTTP/1.1")
FIELDS = (
    "Host: a.example:80",
    "hOST:b",
    "a!#$%&'*+-.^_`|~1: ,:~",
    "Empty:",
    "Spaces: \t a b\t ",
    "Latin:é\x80\xa0",
    "X:\x85",
)
BROKEN = (
    "a b: c",
    ": a",
    "a",
    " a: b",
    "\ta: b",
    "A: b\0c",
    "A: b\x7f",
    "A: \x1f",
    "A: b\rc",
    "A: b\nc: d",
    "A: b\r",
    "(: a",
)
HEADS = st.tuples(
    st.sampled_from(LINES[:2] * 3 + LINES[2:]),
    st.lists(st.sampled_from(FIELDS), max_size=5),
    st.sampled_from([None, *BROKEN]),
    st.sampled_from(["\r\n", "\r\n", "\r\n", "\n"]),
)


class Heads(HTTP1Connection):
    """Tornado's own connection without a socket."""

    def __init__(self) -> None:
        """Nothing is needed to parse a head."""


def assert_same(data: bytes) -> None:
    """A head is read as Tornado reads it, or left to it."""
    found = plain_head(data)
    try:
        line, headers = Heads()._parse_headers(data)
    except HTTPInputError:
        assert found is None
        return
    if found is not None:
        assert found[0] == line
        assert list(found[1].get_all()) == list(headers.get_all())
        assert dict(found[1]) == dict(headers)


@given(HEADS)
def test_a_head_reads_as_tornado_reads_it(head: tuple[str, Sequence[str], str | None, str]) -> None:
    line, fields, broken, end = head
    parts = [line, *fields, *([] if broken is None else [broken]), ""]
    data = "".join(part + end for part in parts).encode("latin1")
    assert_same(data)


@pytest.mark.parametrize("field", [*FIELDS, *BROKEN])
def test_a_head_with_such_a_field_reads_as_tornado_reads_it(field: str) -> None:
    data = f"GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n".encode("latin1")
    assert_same(data)


def test_the_heads_of_usual_clients_are_plain() -> None:
    fields = ["Host: localhost", "Accept: */*", "Authorization: Bearer a.b-c_d", "Content-Length: 5", "X-Empty:"]
    assert plain_head("\r\n".join(["POST /api/v1/imports HTTP/1.1", *fields, "", ""]).encode())


def headers_with(location: str, length: str | None) -> WireHeaders:
    """Headers of an answer."""
    headers = WireHeaders.fixed()
    headers["Location"] = location
    if length is not None:
        headers["Content-Length"] = length
    headers._as_list["Set-Cookie"] = ["a", "b"]
    return headers


async def answered(
    kind: type[HTTP1Connection],
    request: RequestStartLine,
    asked: HTTPHeaders,
    headers: WireHeaders,
    chunk: bytes,
) -> bytes | type[Exception]:
    """The bytes of an answer, or the error."""
    ours, theirs = socket.socketpair()
    stream = IOStream(ours)
    try:
        connection = kind(stream, is_client=False)
        connection._request_start_line, connection._request_headers = request, asked
        connection._read_finished = True
        connection._disconnect_on_finish = not connection._can_keep_alive(request, asked)
        await connection.write_headers(ResponseStartLine("", 200, "OK"), headers, chunk)
        connection.finish()
        return theirs.recv(65536)
    except (ValueError, HTTPOutputError) as error:
        return type(error)
    finally:
        stream.close()
        theirs.close()


@pytest.mark.gen_test
@pytest.mark.parametrize("location", ["one", "é", "two\nlines", "two\rlines", "two\r\nlines"])
async def test_an_answer_is_tornado_s(location: str) -> None:
    found: set[bytes | type[Exception]] = set()
    for length, chunk, version, method, wish in itertools.product(
        ["5", "4", "6", None],
        [b"12345", b""],
        ["HTTP/1.1", "HTTP/1.0"],
        ["GET", "HEAD"],
        ["close", "keep-alive", "x"],
    ):
        sent = b"" if method == "HEAD" else chunk  # as a handler sends it
        request, asked = RequestStartLine(method, "/", version), HTTPHeaders({"Connection": wish})
        ours = await answered(Connection, request, asked, headers_with(location, length), sent)
        assert ours == await answered(HTTP1Connection, request, asked, headers_with(location, length), sent)
        found.add(ours)
    has_break = "\r" in location or "\n" in location
    assert has_break == (found == {ValueError})


@pytest.mark.gen_test
async def test_nothing_follows_a_whole_answer() -> None:
    ours, theirs = socket.socketpair()
    connection = Connection(IOStream(ours), is_client=False)
    connection._request_start_line = RequestStartLine("GET", "/", "HTTP/1.1")
    try:
        await connection.write_headers(ResponseStartLine("", 200, "OK"), headers_with("x", "5"), b"12345")
        with pytest.raises(HTTPOutputError):
            connection.write(b"6")
    finally:
        connection.stream.close()
        theirs.close()
