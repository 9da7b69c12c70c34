"""Endpoints of webhooks through the API: ``/api/v1/webhooks`` and what is below it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from lading.service.secrets.vault import Vault
from lading.service.webhooks.delivery.record import DELIVERY, Delivery, DeliveryStatus, delivery_id
from lading.service.webhooks.delivery.signing import check_secret
from lading.service.webhooks.endpoints import ENDPOINT, SECRET, secret_record_id
from lading.service.webhooks.events import EventType, event
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.servers.service import ISSUER, OTHER_ISSUER, Client, token
from tests.support.webhooks import Manager

URL = "https://hooks.example/a?token=d41d8cd98f"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
def manager(client: Client, clock: SettableClock) -> Manager:
    return Manager(Client(client.base, token(clock, admin=True)))


@pytest.mark.gen_test
async def test_an_endpoint_is_made_shown_changed_and_deleted(
    assembled: Assembled, manager: Manager, clock: SettableClock
) -> None:
    response = await manager.call("POST", "", {"url": URL, "description": "mine", "events": ["import.done"]})
    made = json.loads(response.body)
    assert response.code == 201
    assert response.headers["Location"] == f"/api/v1/webhooks/{made['id']}"
    secret = made.pop("secret")
    check_secret(secret)
    assert list(made) == [
        "id",
        "url",
        "events",
        "description",
        "enabled",
        "disabled_reason",
        "created_at",
        "updated_at",
    ]
    assert (made["url"], made["events"], made["enabled"]) == (URL, ["import.done"], True)
    assert await manager.json("GET") == {"webhooks": [made]}
    clock.advance(timedelta(seconds=1))
    changed = await manager.json("PATCH", f"/{made['id']}", {"enabled": False, "events": ["*"]})
    assert changed == {**made, "enabled": False, "events": ["*"], "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > made["updated_at"]
    assert await manager.json("GET", f"/{made['id']}") == changed
    assert (await manager.call("DELETE", f"/{made['id']}")).code == 204
    assert (await manager.json("GET", f"/{made['id']}", code=404))["code"] == "not_found"
    assert await manager.json("GET") == {"webhooks": []}


@pytest.mark.gen_test
async def test_forms_say_the_same_as_json(assembled: Assembled, manager: Manager) -> None:
    form = "url=https%3A%2F%2Fhooks.example%2F&events[]=import.done&events[]=import.failed&enabled=false"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await manager.client.fetch("/api/v1/webhooks", method="POST", body=form, headers=headers)
    made = json.loads(response.body)
    assert (response.code, made["events"], made["enabled"]) == (201, ["import.done", "import.failed"], False)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("params", "code", "parameter"),
    [
        ({}, "parameter_invalid", "url"),
        ({"url": ""}, "parameter_invalid", "url"),
        ({"url": 5}, "parameter_invalid", "url"),
        ({"url": URL, "events": []}, "parameter_invalid", "events"),
        ({"url": URL, "events": ["import.eaten"]}, "parameter_invalid", "events"),
        ({"url": URL, "events": ["ping"]}, "parameter_invalid", "events"),
        ({"url": URL, "events": {"a": 1}}, "parameter_invalid", "events"),
        ({"url": URL, "enabled": "perhaps"}, "parameter_invalid", "enabled"),
        ({"url": URL, "enabled": 1}, "parameter_invalid", "enabled"),
        ({"url": URL, "description": "a" * 256}, "parameter_invalid", "description"),
        ({"url": URL, "secret": "whsec_a"}, "parameter_invalid", "secret"),
        ({"url": "hooks.example/a"}, "url_scheme_missing", "url"),
        ({"url": "data:,a"}, "url_scheme_not_allowed", "url"),
        ({"url": "ftp://hooks.example/a"}, "url_scheme_not_allowed", "url"),
        ({"url": "http://10.0.0.1/a"}, "address_not_allowed", "url"),
        ({"url": "http://user:d41d8cd98f@hooks.example/"}, "url_invalid", "url"),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_what_makes_no_sense_is_refused(
    assembled: Assembled, manager: Manager, params: dict[str, Any], code: str, parameter: str
) -> None:
    refused = await manager.json("POST", "", params, code=422)
    assert (refused["code"], refused["parameter"]) == (code, parameter)
    assert "d41d8cd98f" not in str(refused)
    endpoint = await manager.create(URL)
    if params:
        refused = await manager.json("PATCH", f"/{endpoint['id']}", params, code=422)
        assert (refused["code"], refused["parameter"]) == (code, parameter)


@pytest.mark.gen_test
async def test_who_may(assembled: Assembled, manager: Manager, clock: SettableClock) -> None:
    endpoint = await manager.create(URL)

    async def codes(bearer: str) -> set[int]:
        one = Manager(Client(manager.client.base, bearer))
        calls = [
            ("GET", ""),
            ("GET", "/secret"),
            ("GET", f"/{endpoint['id']}"),
            ("PATCH", f"/{endpoint['id']}"),
            ("GET", f"/{endpoint['id']}/deliveries"),
        ]
        return {(await one.call(method, path)).code for method, path in calls}

    assert await codes(token(clock)) == {403}
    assert await codes(token(clock, abilities=("webhook_manage",))) == {200}
    assert await codes("nonsense") == {401}
    other = Manager(Client(manager.client.base, token(clock, issuer=OTHER_ISSUER, admin=True)))
    assert await other.json("GET") == {"webhooks": []}
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("GET", "/deliveries/dlv_1"),
        ("POST", "/deliveries/dlv_1/replay"),
    ):
        assert (await other.call(method, f"/{endpoint['id']}{path}")).code == 404
    assert (await manager.call("GET", f"/{'x' * 300}")).code == 404


@pytest.mark.gen_test
async def test_an_issuer_has_so_many_and_no_more(assembled: Assembled, manager: Manager) -> None:
    for _ in range(16):
        await manager.create(URL)
    refused = await manager.json("POST", "", {"url": URL}, code=409)
    assert refused["code"] == "webhooks_full"


@pytest.mark.gen_test
async def test_secrets_are_nowhere_but_in_their_answers(
    assembled: Assembled, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    made = await manager.create(URL)
    rotated = await manager.json("POST", f"/{made['id']}/rotate")
    own = (await manager.json("GET", "/secret"))["secret"]
    assert len({made["secret"], rotated["secret"], own}) == 3
    later = [(await manager.call("GET", path)).body for path in ("", f"/{made['id']}")]
    record = await assembled.parts.store.records.get(ENDPOINT, made["id"])
    shown = f"{later}{caplog.text}{record!r}"
    for secret in (made["secret"], rotated["secret"], own):
        assert secret not in shown
    assert "d41d8cd98f" not in caplog.text


class TestWithKeys:
    """With ``[documents] encryption_keys``."""

    @pytest.fixture
    def overrides(self, overrides: dict[str, str]) -> dict[str, str]:
        return {**overrides, "LADING_DOCUMENTS__ENCRYPTION_KEYS": KEY}

    @pytest.mark.gen_test
    async def test_secrets_are_kept_encrypted(self, assembled: Assembled, manager: Manager) -> None:
        made = await manager.create(URL)
        own = (await manager.json("GET", "/secret"))["secret"]
        records = assembled.parts.store.records
        kept = [await records.get(ENDPOINT, made["id"]), await records.get(SECRET, secret_record_id(ISSUER))]
        assert all(one is not None and one.data["sealed"].startswith("fernet:") for one in kept)
        assert own not in str([one.data for one in kept if one])

    @pytest.mark.gen_test
    async def test_what_no_key_opens_is_said_and_can_be_rotated(self, assembled: Assembled, manager: Manager) -> None:
        made = await manager.create(URL)
        await manager.json("GET", "/secret")
        records = assembled.parts.store.records
        other = Vault(["A" * 43 + "="])
        for kind, record_id in ((ENDPOINT, made["id"]), (SECRET, secret_record_id(ISSUER))):
            record = await records.get(kind, record_id)
            assert record is not None
            assert await records.replace(record.changed(data={**record.data, "sealed": other.seal_text("{}")}))
        assert (await manager.json("GET", "/secret", code=500))["code"] == "webhook_secret_unreadable"
        check_secret((await manager.json("POST", "/secret/rotate"))["secret"])
        check_secret((await manager.json("GET", "/secret"))["secret"])
        assert await manager.json("GET", f"/{made['id']}")
        check_secret((await manager.json("POST", f"/{made['id']}/rotate"))["secret"])


class TestSwitchedOff:
    """With ``[webhooks] enabled = false``."""

    @pytest.fixture
    def overrides(self, overrides: dict[str, str]) -> dict[str, str]:
        return {**overrides, "LADING_WEBHOOKS__ENABLED": "false"}

    @pytest.mark.gen_test
    async def test_there_are_none(self, assembled: Assembled, manager: Manager, client: Client) -> None:
        assert (await manager.json("GET", "", code=404))["code"] == "not_found"
        response = await client.post_json({"album_id": "imported_album", "webhook": {"url": URL}})
        assert (response.code, json.loads(response.body)["parameter"]) == (422, "webhook")
        assert (await client.post_json({"album_id": "imported_album"})).code == 200


@pytest.mark.parametrize(
    ("webhook", "code", "parameter"),
    [
        ("https://hooks.example/", "parameter_invalid", "webhook"),
        ([], "parameter_invalid", "webhook"),
        ({}, "parameter_invalid", "webhook[url]"),
        ({"url": ""}, "parameter_invalid", "webhook[url]"),
        ({"url": {"a": "b"}}, "parameter_invalid", "webhook[url]"),
        ({"url": "http://10.0.0.1/"}, "address_not_allowed", "webhook[url]"),
        ({"url": "data:,a"}, "url_scheme_not_allowed", "webhook[url]"),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_the_webhook_of_an_import_is_judged_with_it(
    assembled: Assembled, client: Client, webhook: Any, code: str, parameter: str
) -> None:
    response = await client.post_json({"album_id": "imported_album", "webhook": webhook})
    refused = json.loads(response.body)
    assert (response.code, refused["code"], refused["parameter"]) == (422, code, parameter)
    assert assembled.accepted == []


@pytest.mark.gen_test
async def test_the_webhook_of_an_import_is_answered_as_sent_and_shown_without_its_secrets(
    assembled: Assembled, client: Client
) -> None:
    response = await client.post_json({"album_id": "imported_album", "webhook": {"url": URL}})
    made = json.loads(response.body)
    assert made["params"]["webhook"] == {"url": URL}
    shown = await client.document(made["id"])
    assert shown["params"]["webhook"] == {"url": "https://hooks.example/a?token=[FILTERED]"}
    document = await assembled.parts.store.get(made["id"])
    assert document is not None
    assert assembled.parts.vault.webhook_url(document) == URL


# --- the log ----------------------------------------------------------------------------------------------------------


async def add_deliveries(
    assembled: Assembled, owner: str, clock: SettableClock, *statuses: DeliveryStatus
) -> list[str]:
    """Deliveries, one for each status, a second apart; their ids, the latest first."""
    made = []
    for number, status in enumerate(statuses):
        clock.advance(timedelta(seconds=1))
        now = clock.now().replace(microsecond=0)
        event_id = f"evt_{number}"
        body = event(EventType.IMPORT_DONE, {}, now, assembled.parts.settings.service.timezone)
        delivery = Delivery(
            id=delivery_id(event_id, owner, now),
            owner=owner,
            event_id=event_id,
            kind="import.done",
            body=json.dumps(body),
            issuer_id=ISSUER,
            url=None,
            host="hooks.example",
            created_at=now,
            status=status,
            due_at=None,
            expires_at=now + timedelta(days=7),
        )
        await assembled.parts.store.records.add(delivery.record)
        made.append(delivery.id)
    return made[::-1]


@pytest.mark.gen_test
async def test_deliveries_are_listed_in_pages_the_latest_first(
    assembled: Assembled, manager: Manager, clock: SettableClock
) -> None:
    endpoint = await manager.create(URL)
    pending, failed = DeliveryStatus.PENDING, DeliveryStatus.FAILED
    added = await add_deliveries(assembled, endpoint["id"], clock, *(failed, pending) * 3, failed)
    path = f"/{endpoint['id']}/deliveries"
    assert [one["id"] for one in await manager.deliveries(endpoint["id"])] == added
    seen: list[str] = []
    following = f"/api/v1/webhooks{path}?limit=3"
    while following:
        response = await manager.client.fetch(following)
        page = json.loads(response.body)
        assert len(page["deliveries"]) <= 3
        seen += [one["id"] for one in page["deliveries"]]
        link = response.headers.get("Link", "")
        following = link.removeprefix("<").partition(">")[0]
    assert seen == added
    response = await manager.call("GET", f"{path}?status=failed&limit=2")
    assert [one["id"] for one in json.loads(response.body)["deliveries"]] == [added[0], added[2]]
    assert "status=failed" in response.headers["Link"]
    rest = await manager.call("GET", f"{path}?status=failed&limit=2&cursor={added[2]}")
    assert [one["id"] for one in json.loads(rest.body)["deliveries"]] == [added[4], added[6]]
    assert "Link" not in rest.headers


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("status=gone", "status"),
        ("status[]=failed", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=1234567890123", "limit"),
        ("cursor[a]=b", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=nonsense", "cursor"),
        ("cursor=dlv_1", "cursor"),
        ("cursor=dlv_" + "g" * 32, "cursor"),
        (f"limit={2**64}", "limit"),
        ("state=failed", "state"),
        ("", "album_id"),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_list_cannot_be_asked_for_otherwise(
    assembled: Assembled, manager: Manager, query: str, parameter: str
) -> None:
    endpoint = await manager.create(URL)
    path = f"/{endpoint['id']}/deliveries?{query}" if query else f"?{parameter}=x"  # the endpoints have none
    refused = await manager.json("GET", path, code=422)
    assert (refused["code"], refused["parameter"]) == ("parameter_invalid", parameter)


@pytest.mark.gen_test
async def test_a_replay_is_due_at_once_and_is_the_same_event(
    assembled: Assembled, manager: Manager, clock: SettableClock
) -> None:
    endpoint = await manager.create(URL)
    (wanted,) = await add_deliveries(assembled, endpoint["id"], clock, DeliveryStatus.FAILED)
    clock.advance(timedelta(hours=1))
    replayed = await manager.json("POST", f"/{endpoint['id']}/deliveries/{wanted}/replay", code=202)
    assert (replayed["id"], replayed["event_id"], replayed["status"]) == (wanted, "evt_0", "pending")
    (due,) = await assembled.parts.store.records.due(DELIVERY, clock.now(), 10)
    assert due.id == wanted
    assert len(await manager.deliveries(endpoint["id"])) == 1
    assert (await manager.json("POST", f"/{endpoint['id']}/deliveries/dlv_x/replay", code=404))["code"] == "not_found"


@pytest.mark.gen_test
async def test_deliveries_of_an_import_are_for_its_issuer_alone(
    assembled: Assembled, manager: Manager, client: Client, clock: SettableClock
) -> None:
    made = json.loads((await client.post_json({"album_id": "imported_album"})).body)
    path = f"/api/v1/imports/{made['id']}/deliveries"
    response = await manager.client.fetch(path)
    assert (response.code, json.loads(response.body)) == (200, {"deliveries": []})
    assert (await client.fetch(path)).code == 403
    other = Client(client.base, token(clock, issuer=OTHER_ISSUER, admin=True))
    assert (await other.fetch(path)).code == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/webhooks", "GET, HEAD, POST"),
        ("/api/v1/webhooks/secret", "GET, HEAD"),
        ("/api/v1/webhooks/secret/rotate", "POST"),
        ("/api/v1/webhooks/x", "GET, HEAD, DELETE, PATCH"),
        ("/api/v1/webhooks/x/rotate", "POST"),
        ("/api/v1/webhooks/x/test", "POST"),
        ("/api/v1/webhooks/x/deliveries", "GET, HEAD"),
        ("/api/v1/webhooks/x/deliveries/y", "GET, HEAD"),
        ("/api/v1/webhooks/x/deliveries/y/replay", "POST"),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_other_methods_are_not_allowed(assembled: Assembled, manager: Manager, path: str, allowed: str) -> None:
    response = await manager.client.fetch(path, method="PUT", body=b"")
    assert (response.code, response.headers["Allow"]) == (405, allowed)
