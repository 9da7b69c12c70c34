"""Batches that are sent again with their key, that begin as some programs write them, and whose failures break off."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from lading.service.api.params import ParamLimits
from lading.service.api.params.items import ArrayReader, LineReader
from lading.service.errors.catalogue import ApiError
from lading.service.imports.idempotency import GRACE
from lading.service.models import Import
from tests.api.batches.test_batches import NDJSON, answers, imports_of, lines, params, summary
from tests.api.conftest import Assembled
from tests.api.imports.test_idempotency import Held
from tests.support.clock import SettableClock
from tests.support.servers.service import Client

BOM = b"\xef\xbb\xbf"


async def post(client: Client, body: bytes, content_type: str = NDJSON, **headers: str) -> HTTPResponse:
    named = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await client.fetch("/api/v1/imports/batch", method="POST", body=body, headers=named)


@pytest.mark.gen_test
async def test_a_batch_is_sent_again_with_its_key(client: Client, assembled: Assembled) -> None:
    first = await post(client, lines(params(1), params(2)), Idempotency_Key="mine")
    before, last = answers(first)
    assert (last["accepted"], "replayed" in last) == (2, False)
    again = await post(client, lines(params(1), params(3), params(4)), Idempotency_Key="mine")
    found, last = answers(again)
    assert found[0] == {**before[0], "replayed": True}
    assert (found[1]["status"], found[1]["code"]) == (422, "idempotency_key_reused"), "another item in that line"
    assert (found[2]["status"], "replayed" in found[2]) == (200, False)
    assert (last["accepted"], last["replayed"], last["rejected"]) == (1, 1, {"idempotency_key_reused": 1})
    told = await summary(client, again.headers["X-Batch-Id"])
    assert (told["accepted"], told["replayed"], told["imports"]["queued"]) == (1, 1, 1)
    assert len(await imports_of(assembled, first.headers["X-Batch-Id"])) == 2
    single = await client.fetch(
        "/api/v1/imports", method="POST", body="album_id=imported_album", headers={"Idempotency-Key": "mine"}
    )
    assert single.code == 200, "the key of a batch is not that of a single import"


@pytest.mark.gen_test
async def test_a_key_that_is_none_is_refused(client: Client) -> None:
    response = await post(client, lines(params(1)), Idempotency_Key="")
    assert (response.code, b"idempotency_key_invalid" in response.body) == (400, True)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (NDJSON, lines(params(1))),
        ("application/json", b"[" + lines(params(1)) + b"]"),
        ("text/csv", b"imported_album;"),
    ],
)
@pytest.mark.gen_test
async def test_a_byte_order_mark_is_no_part_of_the_first_item(client: Client, content_type: str, body: bytes) -> None:
    found, _ = answers(await post(client, BOM + body, content_type))
    assert [(line["line"], line["status"]) for line in found] == [(1, 200)]


@pytest.mark.parametrize(("reader", "body"), [(LineReader, b'{"a": 1}'), (ArrayReader, b'[{"a": 1}]')])
def test_a_byte_order_mark_may_come_byte_by_byte(reader: Any, body: bytes) -> None:
    reading = reader(ParamLimits())
    found = [item for byte in BOM + body for item in reading.feed(bytes([byte]))]
    assert [item.params for item in [*found, *reading.end()]] == [{"a": 1}]


@pytest.mark.gen_test
async def test_an_encoding_that_is_not_read_is_told_with_what_is(client: Client) -> None:
    response = await post(client, b"x", Content_Encoding="gzip")
    assert response.code == 415
    assert b"application/x-ndjson" in response.body


@pytest.mark.gen_test
async def test_failures_that_break_off_do_not_look_complete(
    client: Client, assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = (await post(client, lines(params(1)))).headers["X-Batch-Id"]
    path = f"/api/v1/batches/{batch_id}/failures"
    assert (await client.fetch(path)).body == b""
    amount = 0

    async def failures(*_: object) -> AsyncGenerator[Mapping[str, Any], None]:
        for _number in range(amount):
            yield {"text": "x" * 50_000}
        raise ApiError("documents_unavailable")

    monkeypatch.setattr(type(assembled.resources.batches.batches), "failures", failures)
    assert (await client.fetch(path)).code == 503
    amount = 100
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.base.rpartition(":")[2]))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == b"200", "it has begun, since the first piece was there"
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


@pytest.mark.gen_test
async def test_the_mirror_that_is_refused_is_named(client: Client) -> None:
    urls = ["http://origin.example/a.jpg", "http://10.0.0.1/a.jpg"]
    response = await client.post_json({"album_id": "imported_album", "url": urls})
    assert (response.code, b'"parameter":"url[1]"' in response.body) == (422, True)


@pytest.mark.gen_test
async def test_of_two_batches_with_one_key_each_answers_every_item(
    client: Client, assembled: Assembled, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(assembled, monkeypatch)
    body = lines(params(1))
    slow = asyncio.ensure_future(post(client, body, Idempotency_Key="mine"))
    await held.until_reached()
    clock.advance(GRACE)
    ([fast_line], fast_last) = answers(await post(client, body, Idempotency_Key="mine"))
    held.let_go()
    ([slow_line], slow_last) = answers(await slow)
    assert slow_line == {**fast_line, "replayed": True}
    assert (fast_last["accepted"], "replayed" in fast_last, fast_last["complete"]) == (1, False, True)
    assert (slow_last["accepted"], slow_last["replayed"], slow_last["complete"]) == (0, 1, True)
    assert len(await imports_of(assembled, fast_last["batch_id"])) == 1


@pytest.mark.gen_test
async def test_an_item_that_fails_unexpectedly_has_its_line(
    client: Client, assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = assembled.parts.store.add

    async def fails_once(document: Import) -> None:
        monkeypatch.setattr(assembled.parts.store, "add", add)
        raise RuntimeError("secret")

    monkeypatch.setattr(assembled.parts.store, "add", fails_once)
    response = await post(client, lines(params(1), params(2)))
    found, last = answers(response)
    assert sorted(line["status"] for line in found) == [200, 500]
    assert {line["code"] for line in found if line["status"] == 500} == {"internal_error"}
    assert (last["accepted"], last["rejected"], last["complete"]) == (1, {"internal_error": 1}, True)
    assert b"secret" not in response.body
    told = await summary(client, response.headers["X-Batch-Id"])
    assert (told["accepted"], told["rejected"]) == (1, {"internal_error": 1})
