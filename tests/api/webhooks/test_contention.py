"""Many requests that change the same thing at once: each waits for its turn, and no limit is exceeded."""

import asyncio
from collections import Counter

import pytest

from lading.service.documents import contention
from lading.service.documents.records import Record, RecordStore
from lading.service.webhooks.endpoints import ENDPOINT
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.servers.service import Client, token
from tests.support.webhooks import Manager

URL = "https://hooks.example/a"
NUMBER = 12


@pytest.fixture
def manager(client: Client, clock: SettableClock) -> Manager:
    return Manager(Client(client.base, token(clock, admin=True)))


async def codes(manager: Manager, *requests: tuple[str, str, object]) -> Counter[int]:
    """The statuses of requests that are sent at once."""
    responses = await asyncio.gather(*(manager.call(method, path, body) for method, path, body in requests))
    return Counter(response.code for response in responses)


@pytest.mark.gen_test(timeout=60)
async def test_changes_of_one_endpoint_wait_for_their_turn(manager: Manager) -> None:
    made = await manager.create(URL)
    rotations = [("POST", f"/{made['id']}/rotate", None)] * NUMBER
    changes = [("PATCH", f"/{made['id']}", {"description": str(number)}) for number in range(NUMBER)]
    assert await codes(manager, *rotations, *changes) == {200: 2 * NUMBER}


@pytest.mark.gen_test(timeout=60)
async def test_rotations_of_the_secret_wait_for_their_turn(manager: Manager) -> None:
    assert (await manager.call("GET", "/secret")).code == 200
    assert await codes(manager, *[("POST", "/secret/rotate", None)] * NUMBER) == {200: NUMBER}


@pytest.mark.gen_test(timeout=60)
async def test_replays_of_one_delivery_wait_for_their_turn(manager: Manager) -> None:
    made = await manager.create(URL)
    delivery = await manager.json("POST", f"/{made['id']}/test", code=202)
    path = f"/{made['id']}/deliveries/{delivery['id']}/replay"
    assert await codes(manager, *[("POST", path, None)] * NUMBER) == {202: NUMBER}


@pytest.mark.gen_test(timeout=60)
async def test_of_40_endpoints_made_at_once_16_are_there(assembled: Assembled, manager: Manager) -> None:
    assert await codes(manager, *[("POST", "", {"url": URL})] * 40) == {201: 16, 409: 24}
    assert len((await manager.json("GET"))["webhooks"]) == 16


@pytest.mark.gen_test(timeout=60)
async def test_contention_without_end_is_a_conflict_and_no_outage(
    assembled: Assembled, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await manager.create(URL)
    delivery = await manager.json("POST", f"/{made['id']}/test", code=202)
    await manager.call("GET", "/secret")
    records = assembled.parts.store.records

    async def lost(self: RecordStore, record: Record) -> bool:
        return False

    monkeypatch.setattr(type(records), "replace", lost)
    monkeypatch.setattr(contention, "PATIENCE", 0.05)
    for method, path, body in (
        ("PATCH", f"/{made['id']}", {"enabled": False}),
        ("POST", f"/{made['id']}/rotate", None),
        ("POST", f"/{made['id']}/deliveries/{delivery['id']}/replay", None),
        ("POST", "/secret/rotate", None),
    ):
        response = await manager.call(method, path, body)
        assert (response.code, response.headers["Retry-After"]) == (409, "1")
        assert b'"write_conflict"' in response.body
    found = await records.get(ENDPOINT, made["id"])
    assert found is not None
    assert found.data["enabled"] is True
