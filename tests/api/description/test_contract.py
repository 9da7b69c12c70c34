"""The contract's own request, verbatim but for its signature, and its whole answer."""

import json
import re
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from lading.service.api.app import make_app
from lading.service.api.auth import issue_token
from lading.service.models.issuers import Issuer
from tests.api.conftest import Assembled, changed
from tests.support.clock import SettableClock
from tests.support.servers.service import ISSUER, ORGANIZATION, SECRET

CONTRACT = Path(__file__).parent / "contract"
TOKEN = (CONTRACT / "token.txt").read_text().strip()
REQUEST_BODY = (CONTRACT / "request_body.txt").read_text().strip()
RESPONSE_HEADERS = [line.split(": ", 1) for line in (CONTRACT / "response_headers.txt").read_text().splitlines()]
RESPONSE_BODY = json.loads((CONTRACT / "response_body.json").read_text())
ADDED = ("Date", "Location")
"""What the answer has beyond the contract: RFC 9110 section 6.6.1 asks for the one, clients profit from the other."""


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(datetime(2019, 4, 8, 17, 38, 57, 714_000, tzinfo=UTC))


@pytest.fixture
def signed_token(clock: SettableClock) -> str:
    """The contract's token with its signature made anew: header and claims are the same bytes."""
    made = issue_token(
        Issuer(ISSUER, ORGANIZATION, SECRET),
        abilities={"imported_album": ("image_upload",)},
        now=clock.now(),
        expires=timedelta(hours=4),
    )
    assert made.split(".")[:2] == TOKEN.split(".")[:2]
    assert len(made) == len(TOKEN)
    return made


@pytest.fixture
def app(assembled: Assembled) -> object:
    imports = replace(assembled.resources.imports.imports, new_id=lambda: RESPONSE_BODY["id"])
    # The contract's example was made in a time zone two hours ahead of UTC.
    changes = {"imports.imports": imports, "common.timezone": timezone(timedelta(hours=2))}
    return make_app(changed(assembled.resources, changes))


def exchange(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
            head, separator, body = answer.partition(b"\r\n\r\n")
            length = re.search(rb"\r\nContent-Length: (\d+)", head)
            if separator and length and len(body) >= int(length[1]):
                break
        return answer


@pytest.mark.gen_test
async def test_the_contract_is_kept_to_the_byte(
    http_server: object, http_port: int, signed_token: str, assembled: Assembled
) -> None:
    request = (
        "POST /api/v1/imports HTTP/1.1\r\n"
        f'Authorization: Token token="{signed_token}"\r\n'
        "Host: example.org\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        "Cookie: \r\n"
        f"Content-Length: {len(REQUEST_BODY)}\r\n"
        "\r\n"
        f"{REQUEST_BODY}"
    )
    loop = IOLoop.current()
    answer = await loop.run_in_executor(None, exchange, http_port, request.encode())

    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = [line.split(": ", 1) for line in lines]
    assert status == "HTTP/1.1 200 OK"

    expected = [[name, signed_token if name == "X-token" else value] for name, value in RESPONSE_HEADERS]
    answered = dict(headers)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answered["X-Request-Id"])
    assert re.fullmatch(r"\d+\.\d{6}", answered["X-Runtime"])
    varying = {name: answered[name] for name in ("X-Request-Id", "X-Runtime")}
    assert [pair for pair in headers if pair[0] not in ADDED] == [
        [name, varying.get(name, value)] for name, value in expected
    ], "names, their case, their order and their values"
    assert answered["Content-Length"] == "463"
    assert answered["Location"] == f"/api/v1/imports/{RESPONSE_BODY['id']}"

    assert body == json.dumps(RESPONSE_BODY, separators=(",", ":"), ensure_ascii=False).encode()
    assert len(body) == 463

    stored = await assembled.parts.store.get(RESPONSE_BODY["id"])
    assert stored is not None
    assert stored.params == RESPONSE_BODY["params"]
    assert assembled.accepted == [None]
