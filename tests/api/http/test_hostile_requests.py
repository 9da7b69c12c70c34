"""Requests that are no HTTP, or abuse it: each is answered or its connection ended, and the service serves on."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lading.service.runtime.serving import RunningService
from tests.support.servers.service import Client, running_service, token

pytestmark = pytest.mark.gen_test(timeout=60)

HOST = b"Host: x\r\n"
QUICK = {
    "LADING_SERVICE__IDLE_TIMEOUT": "1",
    "LADING_SERVICE__BODY_TIMEOUT": "60",
    "LADING_DOCUMENTS__BACKEND": "memory",
    "LADING_WORKER__ENABLED": "false",
}
HURRIED = {"LADING_SERVICE__BODY_TIMEOUT": "1"}
"""For tests whose bodies never end. On a busy machine an ordinary request with a body may take longer."""
URL = "http://127.0.0.1:9/a.png"


@asynccontextmanager
async def service(directory: Path, **overrides: str) -> AsyncIterator[tuple[RunningService, Client, int]]:
    """A service that soon ends idle connections; at the end it has to serve an ordinary request as at the beginning."""
    async with running_service(directory, None, **{**QUICK, **overrides}) as running:
        client = Client(running.url, token())
        yield running, client, int(running.url.rpartition(":")[2])
        ordinary = client.fetch("/healthz") if overrides else client.post(f"album_id=imported_album&url={URL}")
        response = await ordinary
        assert response.code == 200, response.body


async def exchange(port: int, sent: bytes, *, half_close: bool = False) -> bytes:
    """Everything that comes back until the service ends the connection; it must, in its own time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        if half_close:
            writer.write_eof()
        return await _rest(reader)
    finally:
        writer.close()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What is left to read; nothing where the connection was reset."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


NO_HTTP: dict[str, bytes] = {
    "nothing": b"",
    "a line break": b"\r\n\r\n",
    "noise": bytes(range(256)) * 16,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200 + b"\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/3.7": b"GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method of controls": b"G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "a NUL in a field": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "a bare CR in a field": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc: d\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "SMTP": b"EHLO example.org\r\nMAIL FROM:<a@example.org>\r\n\r\n",
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", NO_HTTP)
async def test_what_is_no_http_is_400_or_nothing_and_the_connection_ends(tmp_path: Path, name: str) -> None:
    async with service(tmp_path) as (_, _, port):
        answer = await exchange(port, NO_HTTP[name])
    assert statuses(answer) in ([], [400]), answer


POST = b"POST /api/v1/imports HTTP/1.1\r\n" + HOST
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
FRAMING: dict[str, bytes] = {
    "length and chunks": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 40\r\n\r\na=1",
    "a list of lengths": b"Content-Length: 3, 40\r\n\r\na=1",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a signed length": b"Content-Length: +3\r\n\r\na=1",
    "a hexadecimal length": b"Content-Length: 0x3\r\n\r\na=1",
    "a length with an underscore": b"Content-Length: 1_0\r\n\r\na=11111111",
    "a length in other digits": "Content-Length: ٣\r\n\r\na=1".encode(),
    "an unknown coding": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk size that is none": b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
    "a negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-3\r\na=1\r\n0\r\n\r\n",
    "a chunk with an underscore": b"Transfer-Encoding: chunked\r\n\r\n1_0\r\n0123456789012345\r\n0\r\n\r\n",
    "a chunk that is longer than it says": b"Transfer-Encoding: chunked\r\n\r\n3\r\na=12345\r\n0\r\n\r\n",
    "an endless chunk size": b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 5000,
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", FRAMING)
async def test_a_body_whose_end_two_readers_could_see_differently_ends_the_connection(
    tmp_path: Path, name: str
) -> None:
    async with service(tmp_path) as (_, _, port):
        answer = await exchange(port, POST + FRAMING[name] + SMUGGLED)
    assert 200 not in statuses(answer), "what follows is not read as a request"
    assert len(statuses(answer)) <= 1


async def test_a_head_beyond_any_measure_is_431_as_any_other_error(tmp_path: Path) -> None:
    async with service(tmp_path, LADING_SERVICE__IDLE_TIMEOUT="60", **HURRIED) as (_, _, port):
        for begin in (b"", SMUGGLED):
            for flood in (b"A: b\r\n" * 100_000, b"A: " + b"b" * 1_000_000, b"A" * 1_000_000, b"A: b\r\n" * 11_000):
                answer = await exchange(port, begin + b"GET /healthz HTTP/1.1\r\n" + HOST + flood + b"\r\n\r\n")
                assert statuses(answer) == ([200, 431] if begin else [431])
                head, _, body = answer.rpartition(b"\r\n\r\n")
                fields = head.rpartition(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")[2].decode()
                assert "\r\nContent-Type: application/problem+json; charset=utf-8\r\n" in fields
                assert "\r\nConnection: close\r\n" in fields
                problem = json.loads(body)
                assert (problem["status"], problem["code"]) == (431, "request_head_too_large")
                assert f"X-Request-Id: {problem['request_id']}\r\n" in fields
        # A chunk's size that does not end is no head.
        answer = await exchange(port, POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 5000)
        assert 431 not in statuses(answer)


async def test_pipelined_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    async with service(tmp_path) as (_, client, port):
        requests = b""
        for number in range(60):
            body = f"album_id=imported_album&url={URL}&n={number}".encode()
            head = f"Authorization: Bearer {client.token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            requests += POST + head + body
        answer = await exchange(port, requests)
    assert statuses(answer) == [200] * 60
    assert re.findall(rb'"n":"(\d+)"', answer) == [b"%d" % number for number in range(60)]


async def test_a_client_that_has_closed_its_half_is_answered(tmp_path: Path) -> None:
    async with service(tmp_path) as (_, client, port):
        body = f"album_id=imported_album&url={URL}".encode()
        head = f"Authorization: Bearer {client.token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        answer = await exchange(port, POST + head + body, half_close=True)
        assert statuses(answer) in ([200], []), "RFC 9112 section 9.6 lets a server take it for a close"
        for cut in (1, 40, len(POST) + len(head) - 1, len(POST) + len(head) + 3):
            assert statuses(await exchange(port, (POST + head + body)[:cut], half_close=True)) == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", []),
        (b"GET /hea", []),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: ", []),
        (POST + b"Content-Length: 100\r\n\r\na=", [408]),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", [408]),
    ],
)
async def test_a_client_that_stops_is_ended(tmp_path: Path, sent: bytes, status: list[int]) -> None:
    async with service(tmp_path, **HURRIED) as (_, _, port):
        assert statuses(await exchange(port, sent)) == status


async def test_a_client_that_drips_is_ended_however_long_it_goes_on(tmp_path: Path) -> None:
    async with service(tmp_path, **HURRIED) as (_, _, port):
        for beginning in (b"GET /healthz HTTP/1.1\r\n" + HOST, POST + b"Content-Length: 10000\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginning)
            ended = asyncio.create_task(_rest(reader))
            while not ended.done():
                writer.write(b"A: b\r\n")
                await asyncio.wait({ended}, timeout=0.1)
            assert statuses(await ended) in ([], [408])
            writer.close()


PUT = b"PUT /api/v1/imports/x/content HTTP/1.1\r\n" + HOST


async def test_a_client_that_sends_all_before_it_reads_gets_the_answer(tmp_path: Path) -> None:
    """As many clients do, and proxies: unread bytes would reset the connection, and the answer be lost."""
    length = 16 * 1024 * 1024
    async with service(tmp_path) as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PUT + b"Content-Length: %d\r\n\r\n" % length)
        for _ in range(16):
            writer.write(bytes(length // 16))
            await writer.drain()
        assert statuses(await reader.read()) == [401]
        writer.close()


async def test_a_client_that_has_its_answer_and_goes_on_sending_is_ended(tmp_path: Path) -> None:
    async with service(tmp_path) as (_, _, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PUT + b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                await writer.drain()
        writer.close()


MULTIPART = "multipart/form-data; boundary=x"


def part(name: str, value: str = "v", more: str = "") -> str:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'


BODIES: dict[str, tuple[str, str, str]] = {
    "many parts": (MULTIPART, part("a") * 4097 + "--x--\r\n", "params_too_many"),
    "many headers": (MULTIPART, part("a", more="\r\nX-A: b" * 20) + "--x--\r\n", "multipart_invalid"),
    "a long header": (MULTIPART, part("a", more="\r\nX-A: " + "b" * 5000) + "--x--\r\n", "multipart_invalid"),
    "no last boundary": (MULTIPART, part("a"), "multipart_invalid"),
    "no boundary": ("multipart/form-data", part("a") + "--x--\r\n", "multipart_invalid"),
    "an empty boundary": ('multipart/form-data; boundary=""', part("a"), "multipart_invalid"),
    "another boundary": ("multipart/form-data; boundary=y", part("a") + "--x--\r\n", "multipart_invalid"),
    "a long boundary": ("multipart/form-data; boundary=" + "x" * 71, part("a"), "multipart_invalid"),
    "no name": (MULTIPART, "--x\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x--\r\n", "multipart_invalid"),
    "no disposition": (MULTIPART, "--x\r\nContent-Type: text/plain\r\n\r\nv\r\n--x--\r\n", "multipart_invalid"),
    "deep names": (MULTIPART, part("a" + "[b]" * 32) + "--x--\r\n", "params_too_deep"),
    "a conflict": (MULTIPART, part("a") + part("a[b]") + "--x--\r\n", "params_conflict"),
    "nesting": ("application/json", '{"a":' * 33 + "1" + "}" * 33, "params_too_deep"),
    "much nesting": ("application/json", '{"a":' + "[" * 100_000, "params_too_deep"),
    "a key twice": ("application/json", '{"url":"a","url":"b"}', "json_duplicate_key"),
    "an escaped key twice": ("application/json", '{"url":"a","\\u0075rl":"b"}', "json_duplicate_key"),
    "NaN": ("application/json", '{"a":NaN}', "json_number_invalid"),
    "an infinity": ("application/json", '{"a":-Infinity}', "json_number_invalid"),
    "a large float": ("application/json", '{"a":1e400}', "json_number_invalid"),
    "a large integer": ("application/json", '{"a":' + "9" * 100_000 + "}", "json_number_invalid"),
    "half a surrogate": ("application/json", '{"a":"\\ud800"}', "params_invalid_encoding"),
    "many elements": ("application/json", '{"a":[' + "1," * 4097 + "1]}", "params_too_many"),
    "a bad escape": ("application/x-www-form-urlencoded", "a=%zz", "params_invalid_encoding"),
    "an overlong encoding": ("application/x-www-form-urlencoded", "a=%c0%af", "params_invalid_encoding"),
    "a surrogate": ("application/x-www-form-urlencoded", "a=%ed%a0%80", "params_invalid_encoding"),
    "too many pairs": ("application/x-www-form-urlencoded", "a&" * 4097, "params_too_many"),
    "too deep": ("application/x-www-form-urlencoded", "a" + "[b]" * 32, "params_too_deep"),
}


@pytest.mark.gen_test(timeout=60)
async def test_hostile_bodies_are_400_with_their_code(tmp_path: Path) -> None:
    async with service(tmp_path) as (_, client, _):
        for name, (content_type, body, code) in BODIES.items():
            response = await client.post(body, content_type)
            found: dict[str, Any] = json.loads(response.body)
            assert (response.code, found.get("code")) == (400, code), name
            assert len(response.body) < 1000, name
