"""Server-sent events, by both clients: followed, cut, and ended."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lading.client import Client, NotAuthenticated, NotFound, PermissionDenied, TimedOut
from tests.client.both import Api
from tests.client.conftest import ABILITIES, ALBUM, Place
from tests.support.servers.cutting_proxy import CuttingProxy, Harm
from tests.support.servers.service import token


def test_an_import_is_followed_to_its_end(api: Api, place: Place) -> None:
    accepted = api.call("import_url", place.photo, album_id=ALBUM)
    events = api.many("events", import_id=accepted.id)
    states = [event.document.status for event in events if event.type == "state"]
    assert states[-1] == "done"
    assert "failed" not in states
    assert api.many("events", import_id=accepted.id, last_event_id=events[-1].id) == []
    with pytest.raises(NotFound):
        api.many("events", import_id="00000000-0000-4000-8000-000000000000")


def test_a_stream_that_is_cut_goes_on_and_misses_nothing(harmed: Api, proxy: CuttingProxy, place: Place) -> None:
    # Two seconds pass before each stream is opened again, as the service asks.
    ids: list[str] = []

    def post() -> None:
        with Client(place.url, token(abilities=ABILITIES)) as other:
            ids.extend(other.import_url(place.photo, album_id=ALBUM, wait=60).id for _ in range(3))

    def has_seen_all(events: list[Any]) -> bool:
        done = {event.document.id for event in events if event.document.is_done}
        return len(ids) == 3 and done >= set(ids)

    proxy.harm("GET /api/v1/events", Harm(answer_bytes=2500))
    posting = threading.Timer(0.3, post)
    posting.start()
    events = harmed.many("events", album_id=ALBUM, timeout=60, until=has_seen_all)
    posting.join()
    assert proxy.is_done
    assert "last-event-id" in proxy.heads[-1].lower()
    assert all(event.id for event in events)


def test_a_stream_ends_with_its_token_and_in_time(api: Api, connect: Callable[..., Api], place: Place) -> None:
    with pytest.raises(NotAuthenticated):
        connect(place.url, token(abilities=ABILITIES, expires=timedelta(seconds=2))).many("events", album_id=ALBUM)
    with pytest.raises(TimedOut):
        api.many("events", album_id=ALBUM, timeout=0.2)
    with pytest.raises(PermissionDenied):
        connect(place.url, token(abilities=("image_upload",))).many("events")
