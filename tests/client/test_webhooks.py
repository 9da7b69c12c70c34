"""Webhooks, by both clients: endpoints and deliveries; and events verified as the service signs them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from lading.client import NotFound, PermissionDenied, ValidationFailed, webhooks
from lading.service.webhooks.delivery.signing import new_secret, signed_headers
from tests.client.both import Api
from tests.client.conftest import ALBUM, Place
from tests.support.servers.service import token


def test_an_endpoint_through_its_life(api: Api, place: Place) -> None:
    made = api.call("create_webhook", f"{place.origin}/hook", events=["import.done"], description="Shop")
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    assert api.call("get_webhook", made.id).secret is None
    assert made.id in {one.id for one in api.call("list_webhooks")}
    changed = api.call("update_webhook", made.id, description="", enabled=True)
    assert (changed.description, changed.events) == ("", ("import.done",))
    assert api.call("rotate_webhook", made.id).secret != made.secret
    ping = api.call("test_webhook", made.id)
    assert (ping.type, ping.payload["data"]) == ("ping", {"webhook_id": made.id})
    replayed = api.call("replay_delivery", ping.id, webhook_id=made.id)
    assert replayed.event_id == ping.event_id
    listed = api.many("iter_deliveries", webhook_id=made.id, page_size=1)
    assert {one.id for one in listed} == {ping.id, replayed.id}
    assert api.call("get_delivery", ping.id, webhook_id=made.id).payload == ping.payload
    api.call("delete_webhook", made.id)
    with pytest.raises(NotFound):
        api.call("delete_webhook", made.id)


def test_other_calls_of_webhooks(api: Api, connect: Callable[..., Api], place: Place) -> None:
    with pytest.raises(ValidationFailed):
        api.call("create_webhook", "ftp://www.example.org/")
    with pytest.raises(PermissionDenied):
        connect(place.url, token(abilities=("image_upload",))).call("list_webhooks")
    secret = api.call("webhook_secret")
    assert api.call("rotate_webhook_secret") != secret
    own = {"webhook": {"url": f"{place.origin}/hook"}}
    done = api.call("import_url", place.photo, album_id=ALBUM, wait=60, **own)
    api.many("iter_deliveries", import_id=done.id)
    with pytest.raises(ValueError, match="either"):
        api.many("iter_deliveries")


def test_what_the_service_signs_is_verified() -> None:
    secret, old = new_secret(), new_secret()
    now = datetime.now(UTC)
    body = json.dumps(
        {"type": "ping", "timestamp": "2026-08-01T12:00:00.000+00:00", "data": {"webhook_id": "ü"}}
    ).encode()
    headers = signed_headers("evt_1", body, [secret, old], now)
    for known in (secret, old, [new_secret(), old]):
        event = webhooks.verify(body, headers, known)
        assert (event.id, event.type, event.document) == ("evt_1", "ping", None)
    upper = {name.upper(): value for name, value in headers.items()}
    assert webhooks.verify(body.decode(), upper, secret).data == {"webhook_id": "ü"}
