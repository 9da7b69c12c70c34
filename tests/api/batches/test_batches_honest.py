"""Batches tell the truth: of arrays that break, of items refused, after a process died; and who does not read."""

import asyncio
import errno
import json
import os
import select
import socket
from typing import Any

import pytest

from lading.service.api.params.items import CsvReader
from lading.service.imports.batches.batches import NOTED_ITEMS, Batch
from lading.service.imports.batches.results import Results
from lading.service.limits.rates import Policy
from lading.service.models import Failure
from tests.api.batches.test_batches import NDJSON, answers, imports_of, lines, params, post, summary
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import until
from tests.support.servers.service import Client
from tests.unit.api.params.test_items import read
from tests.unit.limits.one_process import rates_of_one_process


@pytest.mark.parametrize(
    ("end", "accepted"),
    [(b"", 2), (b"} ," + json.dumps(params(3)).encode() + b"]", 1), (b"] x", 2), (b', {"album', 2)],
)
@pytest.mark.gen_test
async def test_an_array_that_breaks_is_not_complete(client: Client, end: bytes, accepted: int) -> None:
    body = b"[" + b",".join(json.dumps(params(number)).encode() for number in (1, 2)) + end
    found, last = answers(await post(client, body, "application/json"))
    assert (last["complete"], last["code"]) == (False, "json_invalid")
    assert last["detail"] == found[-1]["detail"]
    assert "The service does not read the rest of the batch." in last["detail"]
    told = await summary(client, last["batch_id"])
    assert (told["complete"], told["accepted"]) == (False, last["accepted"])
    assert 1 <= last["accepted"] <= accepted


def test_a_line_break_within_a_column_costs_its_lines_alone() -> None:
    body = b'one;http://origin.example/a.jpg;a;"{\none;http://origin.example/b.jpg\n'
    broken, good = read(CsvReader, body)
    assert broken.error is not None
    assert (broken.error.code, "an item is one line" in broken.error.detail) == ("csv_invalid", True)
    assert good.params == {"album_id": "one", "url": "http://origin.example/b.jpg"}


class TestRates:
    @pytest.fixture
    def api_changes(self) -> dict[str, Any]:
        return {"common.rates": rates_of_one_process(Policy("issuer", 3, 86_400))}

    @pytest.mark.gen_test
    async def test_each_item_counts(self, client: Client) -> None:
        found, last = answers(await post(client, lines(*map(params, range(5)))))
        assert [line["status"] for line in found] == [200, 200, 200, 429, 429]
        assert {line.get("code") for line in found[3:]} == {"rate_limited"}
        assert (last["accepted"], last["rejected"], last["complete"]) == (3, {"rate_limited": 2}, True)
        assert (await post(client, lines(params(1)))).code == 429


@pytest.mark.gen_test
async def test_what_was_accepted_is_told_of_a_batch_whose_process_died(
    client: Client, assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, dict[str, int]]] = []
    end = type(assembled.resources.batches.batches).end

    async def watched(batches: Any, batch: Batch, *, complete: bool) -> None:
        await end(batches, batch, complete=complete)
        record = await assembled.parts.store.records.get("batch", batch.id)
        assert record is not None
        written.append((batch.accepted, dict(record.data["rejected"])))

    monkeypatch.setattr(type(assembled.resources.batches.batches), "end", watched)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.base.rpartition(":")[2]))
    head = f"POST /api/v1/imports/batch HTTP/1.1\r\nHost: x\r\nContent-Type: {NDJSON}\r\nContent-Length: 10000000\r\n"
    bad = lines(*[{"url": "a.jpg"}] * (NOTED_ITEMS + 200))
    writer.write(f"{head}Authorization: Bearer {client.token}\r\n\r\n".encode() + lines(params(1)) + bad)
    batch_id = (await reader.readuntil(b"\r\n\r\n")).partition(b"X-Batch-Id: ")[2].split()[0].decode()
    while not written:
        await asyncio.sleep(0.01)
    told = await summary(client, batch_id)
    assert told["complete"] is False
    assert told["accepted"] == 1
    assert told["rejected"]["url_scheme_missing"] >= NOTED_ITEMS - 200
    writer.close()
    await assembled.resources.common.in_flight.drained(10)


@pytest.mark.gen_test
async def test_what_the_record_does_not_say_yet_is_counted(client: Client, assembled: Assembled) -> None:
    _, last = answers(await post(client, lines(params(1), params(2))))
    records = assembled.parts.store.records
    record = await records.get("batch", last["batch_id"])
    assert record is not None
    assert await records.replace(record.changed(data={**record.data, "accepted": 0, "complete": False}))
    assert (await summary(client, last["batch_id"]))["accepted"] == 2


@pytest.mark.gen_test
async def test_failures_that_cannot_be_posted_again_are_counted(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    _, last = answers(await post(client, lines(params(1), params(2, headers={"X-Key": "hush"}))))
    assert (await summary(client, last["batch_id"]))["not_repeatable"] == 0
    for document in await imports_of(assembled, last["batch_id"]):
        running = document.claimed("worker", clock.now())
        assert await assembled.parts.store.update(running)
        failed = running.failed(Failure("fetch_timeout", "detail", retryable=True), "url", clock.now())
        assert await assembled.parts.store.update(failed)
    told = await summary(client, last["batch_id"])
    assert (told["imports"]["failed"], told["not_repeatable"]) == (2, 1)
    response = await client.fetch(f"/api/v1/batches/{last['batch_id']}/failures")
    assert len(response.body.splitlines()) == 1


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "disk_full"), (errno.EROFS, "disk_unavailable")])
@pytest.mark.gen_test
async def test_a_disk_that_fails_ends_a_batch_and_loses_no_line(
    client: Client, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    async def fails(_: Results) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Results, "settle", fails)
    found, last = answers(await post(client, lines(*map(params, range(10)))))
    assert (last["complete"], last["code"]) == (False, code)
    assert len(found) == last["accepted"] == 10


class TestAClientThatDoesNotRead:
    @pytest.fixture
    def api_changes(self) -> dict[str, Any]:
        return {"common.limits.stall_timeout": 0.2}

    @pytest.mark.gen_test(timeout=30)
    async def test_it_is_left(self, client: Client, assembled: Assembled) -> None:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", int(client.base.rpartition(":")[2])))
        deaf.setblocking(False)
        body = lines(*({"url": f"{number}.jpg"} for number in range(4000)))
        head = f"POST /api/v1/imports/batch HTTP/1.1\r\nHost: x\r\nContent-Type: {NDJSON}\r\n"
        head += f"Authorization: Bearer {client.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(deaf, head.encode() + body)
        poll = select.poll()
        poll.register(deaf, 0)
        await until(lambda: bool(poll.poll(0)))  # the connection is reset
        await until(lambda: assembled.resources.imports.receiving.places.taken == 0)
        await assembled.resources.common.in_flight.drained(10)
        deaf.close()
