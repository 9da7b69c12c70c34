"""From the end of an import to its receivers, through everything that is real, on every document store."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer, stall
from lading.service.runtime.serving import RunningService
from lading.service.webhooks.delivery.record import DELIVERY
from tests.support.servers.service import OTHER_ISSUER, Client, final, running_service, token
from tests.support.webhooks import Manager, answers, ids, posts, received, verified

QUICK = {
    "LADING_WEBHOOKS__RETRY_BASE": "0.05",
    "LADING_WEBHOOKS__TIMEOUT": "0.3",
    "LADING_WEBHOOKS__ENDPOINT_CACHE": "0",
    "LADING_WORKER__POLL_INTERVAL": "0.1",
}


@asynccontextmanager
async def everything(
    directory: Path, overrides: dict[str, str], **more: str
) -> AsyncIterator[tuple[RunningService, Manager, Client, Origin]]:
    """A service, its administrator, its client, and an origin that has an image and hears webhooks."""
    async with Origin({"/a.jpg": answer(jpeg(40, 30)), "/hook": answer(b"")}) as origin:
        async with running_service(directory, None, **{**overrides, **QUICK, **more}) as service:
            admin = Client(service.url, token(admin=True))
            yield service, Manager(admin), Client(service.url, token()), origin


async def imported(client: Client, origin: Origin, path: str = "/a.jpg", **params: Any) -> dict[str, Any]:
    response = await client.post_json({"album_id": "imported_album", "url": origin.url(path), **params})
    assert response.code == 200, response.body
    return await final(client, json.loads(response.body)["id"])


@pytest.mark.gen_test
async def test_the_end_of_an_import_is_told_signed_and_once(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, client, origin):
        endpoint = await manager.create(origin.url("/hook"))
        done = await imported(client, origin, metadata={"name": "Übung"}, headers={"X-Key": "d41d8cd98f"})
        failed = await imported(client, origin, "/missing.jpg")
        requests = await received(origin, 2)
        bodies = {body["type"]: body for body in (verified(one, endpoint["secret"]) for one in requests)}
        assert set(bodies) == {"import.done", "import.failed"}
        assert bodies["import.done"]["data"] == done
        assert bodies["import.failed"]["data"] == failed
        assert bodies["import.done"]["timestamp"] == done["updated_at"]
        assert failed["error"]["code"] == "origin_not_found"
        assert "d41d8cd98f" not in str(requests)
        assert len(set(ids(requests))) == 2
        assert all(one.startswith("evt_") for one in ids(requests))
        while not all(one["status"] == "delivered" for one in await manager.deliveries(endpoint["id"])):
            await asyncio.sleep(0.01)
        assert len(posts(origin)) == 2


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_only_who_wants_to_hear_is_told(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (service, manager, client, origin):
        other = Manager(Client(service.url, token(issuer=OTHER_ISSUER, admin=True)))
        for path, hearer, params in (
            ("/failures", manager, {"events": ["import.failed"]}),
            ("/disabled", manager, {"enabled": False}),
            ("/others", other, {}),
            ("/hook", manager, {"events": ["import.done", "image.deleted"]}),
        ):
            origin.routes[path] = answer(b"")
            await hearer.create(origin.url(path), **params)
        done = await imported(client, origin)
        await received(origin, 1)
        deleter = Client(service.url, token(admin=True))
        assert (await deleter.fetch(f"/api/v1/images/{done['image_id']}", method="DELETE")).code == 204
        requests = await received(origin, 2)
        types = [json.loads(one.body)["type"] for one in requests]
        assert types == ["import.done", "image.deleted"]
        assert json.loads(requests[1].body)["data"]["image"]["deleted_at"]
        assert {one.target for one in origin.requests if one.method == "POST"} == {"/hook"}


@pytest.mark.gen_test
async def test_without_receivers_nothing_is_kept(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (service, _, client, origin):
        done = await imported(client, origin)
        document = await service.parts.store.get(done["id"])
        assert document is not None
        assert document.outbox == ()
        assert document.revision == 2  # claimed, done
        assert await service.parts.store.records.list(DELIVERY, done["id"], 10) == []


@pytest.mark.gen_test
async def test_what_is_not_accepted_comes_again_with_the_same_id(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, client, origin):
        origin.routes["/hook"] = answers(500, 302, 404, headers={"Location": origin.url("/elsewhere")})
        endpoint = await manager.create(origin.url("/hook"))
        await imported(client, origin)
        requests = await received(origin, 4)
        assert len(set(ids(requests))) == 1
        assert len({one.body for one in requests}) == 1
        delivery = await manager.delivery(endpoint["id"], lambda one: one["status"] == "delivered")
        assert [(one["status"], one["error"]) for one in delivery["attempts"]] == [
            (500, "receiver_refused"),
            (302, "receiver_refused"),
            (404, "receiver_refused"),
            (200, None),
        ]
        assert delivery["attempt_count"] == 4
        assert delivery["next_attempt_at"] is None
        assert not posts(origin, "/elsewhere")


@pytest.mark.gen_test
async def test_a_receiver_may_be_down_and_come_back(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, client, origin):
        async with Origin() as down:
            pass
        endpoint = await manager.create(down.url("/hook"))
        await imported(client, origin)
        delivery = await manager.delivery(endpoint["id"], lambda one: one["attempt_count"] > 1)
        assert {one["error"] for one in delivery["attempts"]} == {"connect_failed"}
        assert delivery["status"] == "pending"
        async with Origin({"/hook": answer(b"")}, port=down.port) as up:
            (request,) = await received(up, 1)
            assert request.headers["webhook-id"] == delivery["event_id"]


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_one_that_hangs_holds_up_no_other(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, client, origin):
        async with Origin({"/hook": stall()}) as hanging:
            endpoint = await manager.create(hanging.url("/hook"))
            await manager.create(origin.url("/hook"))
            await asyncio.gather(*(imported(client, origin) for _ in range(8)))
            await received(origin, 8)
            await received(hanging, 9)  # and those come again
            found = await manager.deliveries(endpoint["id"])
            assert {one["error"] for delivery in found for one in delivery["attempts"]} == {"fetch_timeout"}


@pytest.mark.gen_test
async def test_one_that_is_gone_is_disabled(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, client, origin):
        origin.routes["/hook"] = answers(410)
        endpoint = await manager.create(origin.url("/hook"))
        await imported(client, origin)
        delivery = await manager.delivery(endpoint["id"], lambda one: one["status"] == "failed")
        assert [(one["status"], one["error"]) for one in delivery["attempts"]] == [(410, "receiver_gone")]
        found = await manager.json("GET", f"/{endpoint['id']}")
        assert (found["enabled"], found["disabled_reason"]) == (False, "gone")
        path = f"/{endpoint['id']}/deliveries/{delivery['id']}/replay"
        assert (await manager.json("POST", path, code=409))["code"] == "webhook_disabled"
        assert (await manager.json("POST", f"/{endpoint['id']}/test", code=409))["code"] == "webhook_disabled"
        await manager.json("PATCH", f"/{endpoint['id']}", {"enabled": True})
        replayed = await manager.json("POST", path, code=202)
        assert replayed["event_id"] == delivery["event_id"]
        requests = await received(origin, 2)
        assert len(set(ids(requests))) == 1
        assert (await manager.delivery(endpoint["id"], lambda one: one["status"] == "delivered"))["attempt_count"] == 2


@pytest.mark.gen_test
async def test_a_delivery_fails_in_the_end(tmp_path: Path, overrides: dict[str, str]) -> None:
    short = {"LADING_WEBHOOKS__RETRY_BASE": "0.3", "LADING_WEBHOOKS__RETRY_TOTAL": "1"}
    async with everything(tmp_path, overrides, **short) as (_, manager, client, origin):
        origin.routes["/hook"] = answer(b"", 500)
        endpoint = await manager.create(origin.url("/hook"))
        await imported(client, origin)
        delivery = await manager.delivery(endpoint["id"], lambda one: one["status"] == "failed")
        assert delivery["attempt_count"] == 2
        assert await manager.deliveries(endpoint["id"], "?status=failed") == [delivery]
        assert await manager.deliveries(endpoint["id"], "?status=pending") == []


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_an_import_may_ask_for_a_webhook_of_its_own(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, client, origin):
        url = origin.url("/hook?token=d41d8cd98f")
        done = await imported(client, origin, webhook={"url": url})
        (request,) = await received(origin, 1)
        assert request.target == "/hook?token=d41d8cd98f"
        secret = (await manager.json("GET", "/secret"))["secret"]
        body = verified(request, secret)
        assert body["data"] == done
        assert done["params"]["webhook"] == {"url": origin.url("/hook?token=[FILTERED]")}
        response = await manager.client.fetch(f"/api/v1/imports/{done['id']}/deliveries")
        (delivery,) = json.loads(response.body)["deliveries"]
        assert delivery["event_id"] == request.headers["webhook-id"]
        assert "d41d8cd98f" not in response.body.decode()
        path = f"/api/v1/imports/{done['id']}/deliveries/{delivery['id']}"
        shown = json.loads((await manager.client.fetch(path)).body)
        assert shown["payload"] == body
        replayed = await manager.client.fetch(f"{path}/replay", method="POST", body=b"")
        assert replayed.code == 202
        requests = await received(origin, 2)
        assert len(set(ids(requests))) == 1
        assert len({one.body for one in requests}) == 1


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_while_a_secret_is_rotated_both_sign(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, client, origin):
        endpoint = await manager.create(origin.url("/hook"))
        rotated = await manager.json("POST", f"/{endpoint['id']}/rotate")
        assert rotated["secret"] != endpoint["secret"]
        old = (await manager.json("GET", "/secret"))["secret"]
        new = (await manager.json("POST", "/secret/rotate"))["secret"]
        assert (await manager.json("GET", "/secret"))["secret"] == new != old
        origin.routes["/own"] = answer(b"")
        await imported(client, origin, webhook={"url": origin.url("/own")})
        (request,) = await received(origin, 1)
        verified(request, endpoint["secret"], rotated["secret"])
        (request,) = await received(origin, 1, "/own")
        verified(request, old, new)


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_an_endpoint_is_tried_with_a_ping(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, _client, origin):
        endpoint = await manager.create(origin.url("/hook"), events=["import.failed"])
        delivery = await manager.json("POST", f"/{endpoint['id']}/test", code=202)
        (request,) = await received(origin, 1)
        body = verified(request, endpoint["secret"])
        assert (body["type"], body["data"]) == ("ping", {"webhook_id": endpoint["id"]})
        assert delivery["payload"] == body
        shown = await manager.json("GET", f"/{endpoint['id']}/deliveries/{delivery['id']}")
        assert shown["payload"] == body


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_what_leads_to_a_denied_address_is_never_connected_to(tmp_path: Path, overrides: dict[str, str]) -> None:
    closed = {"LADING_FETCH_HTTP__ALLOW_NETWORKS": "127.0.0.1/32"}
    async with everything(tmp_path, overrides, **closed) as (_, manager, client, origin):
        async with Origin(host="127.0.0.2") as denied:
            refused = await manager.json("POST", "", {"url": denied.url("/hook")}, code=422)
            assert (refused["code"], refused["parameter"]) == ("address_not_allowed", "url")
            params = {"album_id": "imported_album", "url": origin.url("/a.jpg"), "webhook": {"url": denied.url("/x")}}
            response = await client.post_json(params)
            assert (response.code, json.loads(response.body)["parameter"]) == (422, "webhook[url]")
            endpoint = await manager.create(origin.url("/hook"))
            moved = await manager.json("PATCH", f"/{endpoint['id']}", {"url": denied.url("/hook")}, code=422)
            assert moved["code"] == "address_not_allowed"
            origin.routes["/hook"] = answer(b"", 307, {"Location": denied.url("/hook")})
            await imported(client, origin)
            await received(origin, 1)
            assert denied.connections == 0


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_name_is_judged_at_each_delivery(tmp_path: Path, overrides: dict[str, str]) -> None:
    closed = {"LADING_FETCH_HTTP__ALLOW_NETWORKS": "", "LADING_FETCH_HTTP__ALLOW_HOSTS": "localhost"}
    async with everything(tmp_path, overrides, **closed) as (_, manager, client, origin):
        endpoint = await manager.create(origin.url("/hook", name="localhost"))
        data = "data:image/gif;base64,R0lGODlhAQABAPAAAAAAAAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="
        response = await client.post_json({"album_id": "imported_album", "url": data})
        await final(client, json.loads(response.body)["id"])
        delivery = await manager.delivery(endpoint["id"], lambda one: one["status"] == "failed")
        assert [one["error"] for one in delivery["attempts"]] == ["address_not_allowed"]
        assert origin.connections == 0


@pytest.mark.parametrize(("change", "code"), [("PATCH", "endpoint_disabled"), ("DELETE", "endpoint_deleted")])
@pytest.mark.gen_test
async def test_a_delivery_ends_with_its_endpoint(
    tmp_path: Path, overrides: dict[str, str], change: str, code: str
) -> None:
    async with everything(tmp_path, overrides, LADING_WEBHOOKS__RETRY_BASE="0.5") as (service, manager, client, origin):
        origin.routes["/hook"] = answer(b"", 500)
        endpoint = await manager.create(origin.url("/hook"))
        await imported(client, origin)
        found = await manager.delivery(endpoint["id"], lambda one: one["attempt_count"] == 1)
        params = {"enabled": False} if change == "PATCH" else None
        assert (await manager.call(change, f"/{endpoint['id']}", params)).code in (200, 204)
        while (record := await service.parts.store.records.get(DELIVERY, found["id"])) is not None:
            if record.due_at is None:
                break
            await asyncio.sleep(0.02)
        assert record is not None
        assert record.data["attempts"][-1]["error"] == code
        assert len(posts(origin)) == 1


@pytest.mark.gen_test
async def test_a_cancelled_and_a_deleted_import_are_told(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides, LADING_WORKER__ENABLED="false") as (_, manager, client, origin):
        await manager.create(origin.url("/hook"))
        response = await client.post_json({"album_id": "imported_album", "url": origin.url("/a.jpg")})
        import_id = json.loads(response.body)["id"]
        assert (await client.fetch(f"/api/v1/imports/{import_id}/cancel", method="POST")).code == 200
        (request,) = await received(origin, 1)
        body = json.loads(request.body)
        assert (body["type"], body["data"]["id"], body["data"]["status"]) == (
            "import.cancelled",
            import_id,
            "cancelled",
        )


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_an_import_whose_bytes_the_client_sends_may_ask_too(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, client, origin):
        params = {"album_id": "imported_album", "webhook": {"url": origin.url("/hook?token=d41d8cd98f")}}
        waiting = json.loads((await client.post_json(params)).body)
        path = f"/api/v1/imports/{waiting['id']}/content"
        response = await client.fetch(path, method="PUT", body=jpeg(4, 3))
        assert response.code == 200, response.body
        (request,) = await received(origin, 1)
        body = verified(request, (await manager.json("GET", "/secret"))["secret"])
        assert (body["type"], body["data"]["id"]) == ("import.done", waiting["id"])
        assert request.target == "/hook?token=d41d8cd98f"


@pytest.mark.gen_test
async def test_that_an_import_is_gone_is_told_although_it_is(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with everything(tmp_path, overrides) as (_, manager, _client, origin):
        await manager.create(origin.url("/hook"), events=["import.deleted"])
        done = await imported(manager.client, origin)
        path = f"/api/v1/imports/{done['id']}"
        assert (await manager.client.fetch(path, method="DELETE")).code == 204
        (request,) = await received(origin, 1)
        body = json.loads(request.body)
        assert (body["type"], body["data"]["id"]) == ("import.deleted", done["id"])
        assert (await manager.client.fetch(path)).code == 404


@pytest.mark.gen_test
async def test_what_was_not_announced_before_the_end_of_a_process_is_announced_by_the_next(
    tmp_path: Path, overrides: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if overrides["LADING_DOCUMENTS__BACKEND"] == "memory":
        pytest.skip("the memory store keeps nothing")
    with monkeypatch.context() as patched:
        # As if killed between the write of the fact and whatever is to follow from it.
        patched.setattr(
            "lading.service.webhooks.delivery.announcer.Announcer.run", lambda _self: asyncio.Event().wait()
        )
        async with everything(tmp_path, overrides) as (service, manager, client, origin):
            endpoint = await manager.create("http://127.0.0.1:9/hook")
            done = await imported(client, origin)
            document = await service.parts.store.get(done["id"])
            assert document is not None
            (entry,) = document.outbox
    async with everything(tmp_path, overrides) as (service, manager, _, origin):
        await manager.json("PATCH", f"/{endpoint['id']}", {"url": origin.url("/hook")})
        (request,) = await received(origin, 1)
        assert request.headers["webhook-id"] == entry["id"]
        assert json.loads(request.body)["data"] == done
        while (document := await service.parts.store.get(done["id"])) is not None and document.outbox:
            await asyncio.sleep(0.02)
        assert len(posts(origin)) == 1
