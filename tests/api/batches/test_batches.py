"""Batches: many imports in one request, summed up, downloaded and retried, on every document store."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from lading.service.documents.search import Filter
from lading.service.models import Failure, Import, Status
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.servers.service import ORGANIZATION, OTHER_ISSUER, Client, token

URL = "http://origin.example/{}.jpg"
NDJSON = "application/x-ndjson"


def params(number: int, **more: Any) -> dict[str, Any]:
    return {"album_id": "imported_album", "url": URL.format(number), **more}


def lines(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


async def post(client: Client, body: bytes, content_type: str = NDJSON) -> HTTPResponse:
    headers = {"Content-Type": content_type}
    return await client.fetch("/api/v1/imports/batch", method="POST", body=body, headers=headers, request_timeout=50)


def answers(response: HTTPResponse) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The lines of the items in their order, and the last one."""
    assert response.code == 200, response.body
    assert response.headers["Content-Type"] == NDJSON
    found = [json.loads(line) for line in response.body.splitlines()]
    return sorted(found[:-1], key=lambda line: line["line"]), found[-1]


async def summary(client: Client, batch_id: str) -> dict[str, Any]:
    response = await client.fetch(f"/api/v1/batches/{batch_id}")
    assert response.code == 200, response.body
    found: dict[str, Any] = json.loads(response.body)
    return found


async def imports_of(assembled: Assembled, batch_id: str) -> list[Import]:
    page = await assembled.parts.store.search.list(Filter(ORGANIZATION, batch_id=batch_id), 200)
    return list(page.documents)


@pytest.mark.gen_test
async def test_good_lines_are_accepted_and_bad_ones_fail_alone(client: Client, assembled: Assembled) -> None:
    body = lines(params(1), params(2, album_id="other"), {"url": "a.jpg"}, params(3, metadata="x"), params(4))
    body += b"no json\n"
    response = await post(client, body)
    found, last = answers(response)
    assert [(line["line"], line["status"], line.get("code"), line.get("parameter")) for line in found] == [
        (1, 200, None, None),
        (2, 403, "forbidden", None),
        (3, 422, "url_scheme_missing", "url"),
        (4, 422, "parameter_invalid", "metadata"),
        (5, 200, None, None),
        (6, 400, "json_invalid", None),
    ]
    rejected = {"forbidden": 1, "json_invalid": 1, "parameter_invalid": 1, "url_scheme_missing": 1}
    batch_id = response.headers["X-Batch-Id"]
    assert last == {"batch_id": batch_id, "accepted": 2, "rejected": rejected, "complete": True}
    documents = await imports_of(assembled, batch_id)
    assert {one.id for one in documents} == {found[0]["id"], found[4]["id"]}
    assert {one.url for one in documents} == {URL.format(1), URL.format(4)}
    assert documents[0].params["action"] == "create"
    assert len(assembled.accepted) == 2
    assert response.headers["Location"] == f"/api/v1/batches/{batch_id}"
    told = await summary(client, batch_id)
    assert (told["accepted"], told["rejected"], told["complete"]) == (2, rejected, True)
    assert told["imports"] == {"waiting": 0, "queued": 2, "running": 0, "done": 0, "failed": 0, "cancelled": 0}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (NDJSON, lines(params(1), params(2))),
        ("application/jsonl; charset=utf-8", lines(params(1), params(2))),
        ("application/json", json.dumps([params(1), params(2)]).encode()),
        ("text/csv", f"album_id;url;tags;metadata\nimported_album;{URL.format(1)};a,b;{{}}\n"
         f"imported_album;{URL.format(2)}".encode()),
    ],
)  # fmt: skip
@pytest.mark.gen_test
async def test_three_kinds_of_bodies(client: Client, content_type: str, body: bytes) -> None:
    found, last = answers(await post(client, body, content_type))
    assert ([line["status"] for line in found], last["accepted"]) == ([200, 200], 2)


@pytest.mark.gen_test
async def test_some_thousand_lines(client: Client, assembled: Assembled) -> None:
    response = await post(client, lines(*map(params, range(3000))))
    found, last = answers(response)
    assert [line["line"] for line in found] == list(range(1, 3001))
    assert last["accepted"] == 3000
    assert (await summary(client, last["batch_id"]))["imports"]["queued"] == 3000
    assert await assembled.parts.store.unfinished(5000) == 3000


@pytest.mark.gen_test
async def test_failures_are_downloaded_posted_again_and_retried(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    items = [params(1), params(2, headers={"X-Key": "hush"}), params(3, tags=["a"]), params(4)]
    _, last = answers(await post(client, lines(*items)))
    batch = f"/api/v1/batches/{last['batch_id']}"
    store = assembled.parts.store
    for document in await imports_of(assembled, last["batch_id"]):
        if document.url != URL.format(4):
            code = "not_an_image" if document.url == URL.format(1) else "fetch_timeout"
            running = document.claimed("worker", clock.now())
            assert await store.update(running)
            assert await store.update(running.failed(Failure(code, "detail", retryable=True), "url", clock.now()))
    told = await summary(client, last["batch_id"])
    assert (told["imports"]["failed"], told["imports"]["queued"]) == (3, 1)
    assert told["failed"] == {"fetch_timeout": 2, "not_an_image": 1}
    refused = await client.fetch(f"{batch}/failures?limit=1")
    assert (refused.code, json.loads(refused.body)["parameter"]) == (422, "limit"), "it is no list with pages"
    response = await client.fetch(f"{batch}/failures")
    assert b"hush" not in response.body
    failures = [json.loads(line) for line in response.body.splitlines()]
    assert sorted(failures, key=lambda one: one["url"]) == [params(1), params(3, tags=["a"])]
    _, again = answers(await post(client, response.body))
    assert again["accepted"] == 2
    response = await client.fetch(f"{batch}/retry", method="POST")
    assert json.loads(response.body) == {"retried": 2, "refused": {"secrets_dropped": 1}}
    told = await summary(client, last["batch_id"])
    assert (told["imports"]["failed"], told["imports"]["queued"]) == (1, 3)
    reader = replace(client, token=token(clock, abilities=("see",)))
    assert json.loads((await reader.fetch(f"{batch}/retry", method="POST")).body)["refused"] == {"forbidden": 1}


@pytest.mark.gen_test
async def test_who_may(client: Client, clock: SettableClock) -> None:
    _, last = answers(await post(client, lines(params(1))))
    stranger = replace(client, token=token(clock, issuer=OTHER_ISSUER, admin=True))
    nobody = replace(client, token="none")
    for path, method in (("", "GET"), ("", "HEAD"), ("/failures", "GET"), ("/retry", "POST")):
        url = f"/api/v1/batches/{last['batch_id']}{path}"
        assert (await stranger.fetch(url, method=method)).code == 404
        assert (await nobody.fetch(url, method=method)).code == 401
        assert (await client.fetch(url, method=method)).code == 200
        assert (await client.fetch(f"/api/v1/batches/{'x' * 99}{path}", method=method)).code == 404
    assert (await post(nobody, lines(params(1)))).code == 401
    refused = await post(client, b"x", "text/plain")
    assert (refused.code, json.loads(refused.body)["code"]) == (415, "unsupported_media_type")


@pytest.mark.gen_test
async def test_a_batch_that_is_too_long(client: Client, assembled: Assembled) -> None:
    object.__setattr__(assembled.resources.batches.batches, "max_items", 2)
    found, last = answers(await post(client, lines(*map(params, range(4)))))
    assert [line.get("code") for line in found] == [None, None, "batch_too_long", "batch_too_long"]
    assert (last["accepted"], last["complete"]) == (2, True)


class TestABodyThatIsTooLong:
    @pytest.fixture
    def api_changes(self) -> dict[str, Any]:
        return {"batches.max_bytes": 1000}

    @pytest.mark.gen_test
    async def test_what_fits_is_accepted(self, client: Client) -> None:
        refused = await post(client, lines(*map(params, range(100))))
        assert (refused.code, json.loads(refused.body)["code"]) == (413, "request_body_too_large")

        async def producer(write: Any) -> None:
            for number in range(100):
                await write(lines(params(number)))

        response = await client.fetch(
            "/api/v1/imports/batch", method="POST", body_producer=producer, headers={"Content-Type": NDJSON}
        )
        found, last = answers(response)
        assert (last["complete"], last["code"]) == (False, "request_body_too_large")
        assert 0 < len(found) == last["accepted"] < 100


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_client_that_reads_only_at_the_end(client: Client) -> None:
    port = int(client.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
    body = lines(*({"url": f"{number}.jpg"} for number in range(20_000)))
    head = f"POST /api/v1/imports/batch HTTP/1.1\r\nHost: x\r\nContent-Type: {NDJSON}\r\nConnection: close\r\n"
    writer.write(f"{head}Authorization: Bearer {client.token}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"url_scheme_missing":20000' in answer
    writer.close()


@pytest.mark.gen_test
async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(client: Client) -> None:
    port = int(client.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /api/v1/imports/batch HTTP/1.1\r\nHost: x\r\nContent-Type: {NDJSON}\r\nExpect: 100-continue\r\n"
    head += "Transfer-Encoding: chunked\r\nConnection: close\r\n"
    writer.write(f"{head}Authorization: Bearer {client.token}\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 (Continue)\r\n\r\n"
    body = lines(params(1))
    writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
    assert b'"accepted":1' in await reader.read()
    writer.close()


@pytest.mark.gen_test
async def test_a_client_that_goes_away(client: Client, assembled: Assembled) -> None:
    port = int(client.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /api/v1/imports/batch HTTP/1.1\r\nHost: x\r\nContent-Type: {NDJSON}\r\nContent-Length: 100000\r\n"
    writer.write(f"{head}Authorization: Bearer {client.token}\r\n\r\n".encode() + lines(params(1), params(2)) + b'{"a')
    answer = b""
    while answer.count(b'"status":200') < 2:
        answer += await reader.read(65536)
    writer.close()
    batch_id = answer.partition(b"X-Batch-Id: ")[2].split()[0].decode()
    while (told := await summary(client, batch_id))["accepted"] < 2:
        await asyncio.sleep(0.01)
    assert told["complete"] is False
    assert {one.status for one in await imports_of(assembled, batch_id)} == {Status.QUEUED}
