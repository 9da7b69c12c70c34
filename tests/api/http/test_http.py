"""What every answer has: headers, request ids, tokens, methods, and bodies that are too long or too slow."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.servers.service import OTHER_ISSUER, Client, token

URL = "http://origin.example/a.jpg"
FORM = f"album_id=imported_album&url={URL}"


@pytest.fixture
def patience() -> float:
    """Seconds for a body, which end a test only where it says so."""
    return 60.0


@pytest.fixture
def api_changes(patience: float) -> dict[str, Any]:
    return {
        "common.limits.body_max_bytes": 1000,
        "common.limits.import_body_max_bytes": 1000,
        "common.limits.body_timeout": patience,
    }


@pytest.mark.parametrize("sent", ["abc-123", "a" * 255, "A.b_c@d=e+f/g"])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_sane_request_id_is_honoured(client: Client, sent: str) -> None:
    response = await client.fetch("/healthz", headers={"X-Request-Id": sent})
    assert response.headers["X-Request-Id"] == sent


@pytest.mark.parametrize("sent", ["", "a" * 256, "a b", "<x>", "é", "a\tb"])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_another_request_id_is_replaced(client: Client, sent: str) -> None:
    response = await client.fetch("/healthz", headers={"X-Request-Id": sent})
    assert response.headers["X-Request-Id"] != sent
    assert len(response.headers["X-Request-Id"]) == 36


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/readyz", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/api/v1/imports/", 404),
        ("DELETE", "/api/v1/imports", 405),
        ("BREW", "/api/v1/imports", 405),
        ("GET", "/api/v1/imports/nothing", 404),
        ("GET", "/api/v1/imports/" + "x" * 500, 404),
        ("GET", "/api/v1/imports/%00%ff", 404),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_every_answer_has_the_contract_s_headers(client: Client, method: str, path: str, status: int) -> None:
    response = await client.fetch(path, method=method)
    assert response.code == status
    for name in ("Cache-Control", "Pragma", "Expires", "P3P", "X-Request-Id", "X-Runtime", "Referrer-Policy", "Vary"):
        assert name in response.headers, name
    assert "Server" not in response.headers
    assert "Etag" not in response.headers
    if method != "HEAD" and status >= 400:
        assert json.loads(response.body)["status"] == status
    if status == 405:
        assert response.headers["Allow"] == "GET, HEAD, POST"
        assert json.loads(response.body)["code"] == "method_not_allowed"


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_head_answers_like_get_without_a_body(client: Client) -> None:
    created = await client.post(FORM)
    path = created.headers["Location"]
    got, head = await client.fetch(path), await client.fetch(path, method="HEAD")
    assert head.code == 200
    assert head.body == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


@pytest.mark.parametrize("form", ['Token token="{}"', "Token token={}", "Token {}", "Bearer {}", "bearer {}"])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_every_token_form_is_accepted_and_echoed(base_url: str, client: Client, form: str) -> None:
    headers = {"Authorization": form.format(client.token), "Content-Type": "application/x-www-form-urlencoded"}
    response = await client.fetch("/api/v1/imports", method="POST", body=FORM, headers=headers)
    assert response.code == 200
    assert response.headers["X-token"] == client.token


@pytest.mark.parametrize("case", ["none", "garbage", "expired", "foreign", "disabled", "unsigned", "no exp", "twice"])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_401_is_one_and_the_same_answer(client: Client, clock: SettableClock, case: str) -> None:
    good = client.token
    expired = token(clock)
    clock.advance(timedelta(hours=5) if case == "expired" else timedelta())
    authorization = {
        "none": "",
        "garbage": "Basic YTpi",
        "expired": f"Bearer {expired}",
        "foreign": f"Bearer {token(clock, issuer='unknown-issuer')}",
        "disabled": f"Bearer {token(clock, issuer='disabled-issuer')}",
        "unsigned": f"Bearer {good.rsplit('.', 1)[0]}.",
        "no exp": f"Bearer {token(clock, expires=None)}",
        "twice": f"Bearer {good}, Bearer {good}",
    }[case]
    response = await client.fetch("/api/v1/imports", method="POST", body="", headers={"Authorization": authorization})
    assert response.code == 401
    assert response.headers["WWW-Authenticate"] == 'Token realm="Application"'
    assert response.headers["X-message"] == "Access denied"
    assert "X-token" not in response.headers
    body = json.loads(response.body)
    assert body["code"] == "unauthorized"
    assert body["detail"] == "A valid token is required."
    assert client.token not in response.body.decode()


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_an_issuer_may_allow_tokens_without_exp(base_url: str, client: Client, clock: SettableClock) -> None:
    eternal = Client(base_url, token(clock, issuer=OTHER_ISSUER, expires=None))
    assert (await eternal.post(FORM)).code == 200


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_403_says_which_ability_lacks(client: Client) -> None:
    response = await client.post(f"album_id=another&url={URL}")
    assert response.code == 403
    assert response.headers["X-message"] == "Access denied"
    assert "image_upload" in json.loads(response.body)["detail"]


@pytest.mark.gen_test
async def test_another_organisation_s_import_is_not_found(base_url: str, client: Client, clock: SettableClock) -> None:
    path = (await client.post(FORM)).headers["Location"]
    other = Client(base_url, token(clock, issuer=OTHER_ISSUER))
    assert (await other.fetch(path)).code == 404
    any_token = Client(base_url, token(clock, album="x", abilities=()))
    assert (await any_token.fetch(path)).code == 200


async def raw(port: int, request: bytes, *, read_until_closed: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        if read_until_closed:
            return await reader.read()
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("length", [1001, 30_000, 10_000_000])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_413_arrives_although_the_body_is_still_being_sent(client: Client, http_port: int, length: int) -> None:
    body = b"a" * length if length < 1_000_000 else b""
    head = f"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n"
    answer = await raw(http_port, head.encode() + b"Content-Length: %d\r\n\r\n" % length + body)
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("GET /healthz?" + "a" * 16_384, ""),
        ("GET /healthz", "X-Long: " + "a" * 16_384 + "\r\n"),
        ("POST /x", "A: b\r\n" * 3000),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_head_that_is_too_long_is_431(client: Client, http_port: int, line: str, fields: str) -> None:
    answer = await raw(
        http_port, f"{line} HTTP/1.1\r\nHost: x\r\n{fields}Connection: close\r\n\r\n".encode(), read_until_closed=True
    )
    if line.startswith("GET"):
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_head_too_large"
    else:
        assert answer.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("digits", [26, 5000])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_an_absurd_content_length_is_413(client: Client, http_port: int, digits: int) -> None:
    head = f"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nContent-Length: {'9' * digits}\r\n\r\n"
    answer = await raw(http_port, head.encode(), read_until_closed=True)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in answer, "since it is closed"


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_connection_stays_open_after_an_error(client: Client, http_port: int) -> None:
    requests = b"".join(
        b"%b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=1" % line
        for line in (b"GET /nowhere", b"POST /nowhere", b"DELETE /api/v1/imports", b"POST /api/v1/imports")
    )
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = await raw(http_port, requests + last, read_until_closed=True)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answers) == [b"404", b"404", b"405", b"401", b"200"]


@pytest.mark.parametrize("target", ["http://example.org/healthz", "HTTP://example.org:80/healthz?a=http://b/c"])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_target_in_absolute_form_is_understood(client: Client, http_port: int, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"
    assert (await raw(http_port, request.encode(), read_until_closed=True)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_413_for_a_chunked_body(client: Client, http_port: int) -> None:
    head = f"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n"
    chunks = b"".join(b"100\r\n" + b"a" * 256 + b"\r\n" for _ in range(8)) + b"0\r\n\r\n"
    answer = await raw(http_port, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_an_endless_chunked_body_is_cut_off(client: Client, http_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(b"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    answered = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    for _ in range(1000):
        writer.write(chunk)
        await asyncio.wait({asyncio.create_task(writer.drain()), answered}, return_when=asyncio.FIRST_COMPLETED)
        if answered.done():
            break
    assert (await answered).startswith(b"HTTP/1.1 413 ")
    writer.close()


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_expect_100_continue_is_refused_before_the_body(client: Client, http_port: int) -> None:
    head = b"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n"
    assert (await raw(http_port, head)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("patience", [0.3])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_body_that_does_not_come_is_408(client: Client, http_port: int, patience: float) -> None:
    head = b"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nalbum"
    answer = await raw(http_port, head, read_until_closed=True)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"


@pytest.mark.gen_test
async def test_readiness_names_what_does_not_work(client: Client, assembled: Assembled) -> None:
    await assembled.parts.store.close()
    response = await client.fetch("/readyz")
    assert response.code == 503
    assert "documents" in json.loads(response.body)["detail"]
    assert json.loads(response.body)["code"] == "not_ready"
    assert (await client.fetch("/healthz")).code == 200


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_in_flight_requests_are_counted_down(client: Client, assembled: Assembled, http_port: int) -> None:
    await client.post(FORM)
    _, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(b"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nalbum")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await assembled.resources.common.in_flight.drained(5)
    assert not assembled.resources.common.in_flight._requests
