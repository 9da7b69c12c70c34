"""``GET /api/v1/imports``: which imports a token may list, filters, pages, and what is no question."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import ascii_letters, digits
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.documents.search import Position
from lading.service.errors.catalogue import ApiError
from lading.service.imports.lists import Query, cursor_of
from lading.service.models import Status
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.servers.service import OTHER_ISSUER, Client, token

FORM = "url=http://origin.example/a.jpg"


def allowed(client: Client, clock: SettableClock, **facts: Any) -> Client:
    return replace(client, token=token(clock, **facts))


async def post(client: Client, clock: SettableClock, form: str) -> str:
    clock.advance(timedelta(seconds=1))
    response = await client.post(f"{FORM}&{form}")
    assert response.code == 200, response.body
    return str(json.loads(response.body)["id"])


async def page(client: Client, query: str = "") -> tuple[list[dict[str, Any]], str | None]:
    """The documents of a page, and the path of the next one."""
    response = await client.fetch(query if query.startswith("/") else f"/api/v1/imports{query and '?' + query}")
    assert response.code == 200, response.body
    link = response.headers.get("Link")
    if link is not None:
        assert link.endswith('>; rel="next"')
    return json.loads(response.body)["imports"], link and link[1:].partition(">")[0]


async def ids(client: Client, query: str = "") -> list[str]:
    found: list[str] = []
    following: str | None = query
    while following is not None:
        documents, following = await page(client, following)
        found += [document["id"] for document in documents]
    return found


@pytest.mark.gen_test
async def test_the_newest_come_first_as_detailed_documents(client: Client, clock: SettableClock) -> None:
    first = await post(client, clock, "album_id=imported_album")
    second = await post(client, clock, "album_id=imported_album")
    reader = allowed(client, clock, abilities=("image_list",))
    documents, following = await page(reader)
    assert [document["id"] for document in documents] == [second, first]
    assert documents == [await reader.document(second), await reader.document(first)]
    assert following is None


@pytest.mark.gen_test
async def test_pages_follow_each_other_with_the_same_filters(client: Client, clock: SettableClock) -> None:
    expected = [await post(client, clock, f"album_id=imported_album&metadata[k y]=v%26{n % 2}") for n in range(7)]
    reader = allowed(client, clock, abilities=("see",))
    for limit in (1, 2, 3, 7, 200):
        assert await ids(reader, f"limit={limit}") == expected[::-1]
        assert await ids(reader, f"metadata[k%20y]=v%261&limit={limit}") == expected[5::-2]
    head = await reader.fetch("/api/v1/imports?limit=2", method="HEAD")
    assert (head.code, head.body) == (200, b"")
    assert 'rel="next"' in head.headers["Link"]


@pytest.mark.gen_test
async def test_filters(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    client = allowed(client, clock, admin=True)
    a = await post(client, clock, "album_id=one&metadata[order]=7")
    moment = quote((clock.now() + timedelta(milliseconds=500)).isoformat())
    b = await post(client, clock, "album_id=two&metadatas[order]=7")
    c = await post(client, clock, "album_id=one&metadata[order]=8")
    document = await assembled.parts.store.get(a)
    assert document is not None
    assert await assembled.parts.store.update(document.cancelled(clock.now()))
    cases = {
        "": [c, b, a],
        "album_id=one": [c, a],
        "album_id=three": [],
        "status=queued": [c, b],
        "status=cancelled&album_id=one": [a],
        "status=done": [],
        "metadata[order]=7": [b, a],
        "metadata[order]=7&album_id=two": [b],
        f"created_after={moment}": [c, b],
        f"created_before={moment}": [a],
        "created_after=2020-01-01T00:00:00Z&created_before=2020-01-02T01:00:00%2B01:00": [],
        "batch_id=none": [],
    }
    for query, expected in cases.items():
        assert await ids(client, query) == expected, query


@pytest.mark.gen_test
async def test_a_token_lists_its_own_albums_alone(client: Client, clock: SettableClock) -> None:
    admin = allowed(client, clock, admin=True)
    one = await post(admin, clock, "album_id=one")
    await post(admin, clock, "album_id=two")
    await post(admin, clock, "")
    reader = allowed(client, clock, album="one", abilities=("image_list",))
    assert await ids(reader) == [one]
    assert await ids(reader, "album_id=one") == [one]
    assert (await reader.fetch("/api/v1/imports?album_id=two")).code == 403
    uploader = allowed(client, clock, album="one", abilities=("image_upload",))
    for query in ("", "?album_id=one"):
        response = await uploader.fetch(f"/api/v1/imports{query}")
        assert (response.code, json.loads(response.body)["code"]) == (403, "forbidden")
    stranger = allowed(client, clock, issuer=OTHER_ISSUER, admin=True)
    assert await ids(stranger) == []
    assert (await replace(client, token="none").fetch("/api/v1/imports")).code == 401


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("status=finished", "status"),
        ("status[]=done", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-02-03", "created_after"),
        ("created_after=2026-W06-2", "created_after"),
        ("created_after=2026-02-03T04:05:06", "created_after"),
        ("created_after=20260203T040506Z", "created_after"),
        ("created_after=2026-02-03T04:05Z", "created_after"),
        ("created_after=2026-02-03T04:05:61Z", "created_after"),
        ("created_before=2026-02-03T04:05:06%2B01", "created_before"),
        ("created_before=0001-01-01T00:00:00%2B23:00", "created_before"),
        ("metadata=x", "metadata"),
        ("metadata[a][b]=x", "metadata"),
        ("metadata[a]=x&metadata[b]=y", "metadata"),
        (f"metadata[a]={'x' * 600}", "metadata"),
        ("album_id=", "album_id"),
        ("cursor=x", "cursor"),
        ("cursor=%F0%9F%90%8C", "cursor"),
        (f"batch_id={'x' * 65}", "batch_id"),
        ("colour=red", "colour"),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_what_is_no_question_is_named(client: Client, clock: SettableClock, query: str, parameter: str) -> None:
    response = await allowed(client, clock, admin=True).fetch(f"/api/v1/imports?{query}")
    problem = json.loads(response.body)
    assert (response.code, problem["code"], problem["parameter"]) == (422, "parameter_invalid", parameter)


@pytest.mark.gen_test
async def test_an_outage_is_told(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    await assembled.parts.store.close()
    response = await allowed(client, clock, admin=True).fetch("/api/v1/imports")
    assert (response.code, json.loads(response.body)["code"]) == (503, "documents_unavailable")


@given(st.integers(0, 10**14 - 1), st.uuids())
def test_a_cursor_leads_back_to_its_place(milliseconds: int, import_id: Any) -> None:
    place = Position(datetime(1970, 1, 1, tzinfo=UTC) + milliseconds * timedelta(milliseconds=1), str(import_id))
    assert Query.of({"cursor": cursor_of(place)}).after == place


@given(st.text(max_size=80))
def test_any_other_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ApiError, match="'cursor'"):
        Query.of({"cursor": cursor})


def test_every_state_can_be_asked_for() -> None:
    assert {Query.of({"status": status.value}).status for status in Status} == set(Status)


@pytest.mark.gen_test
async def test_the_link_is_made_of_what_was_understood(client: Client, clock: SettableClock) -> None:
    reader = allowed(client, clock, admin=True)
    name = 'a b>,"c\u00e9&d'
    query = urlencode({"album_id": name, "created_after": "2020-01-01t00:00:00+01:00", "limit": "1"})
    for _ in range(2):
        assert (await reader.post_json({"album_id": name, "url": "http://origin.example/a.jpg"})).code == 200
    link = (await reader.fetch(f"/api/v1/imports?{query}&&")).headers["Link"]
    path = link.removeprefix("<").removesuffix('>; rel="next"')
    assert set(path) <= set(ascii_letters + digits + "/?&=%-._~"), path
    told = dict(parse_qsl(urlsplit(path).query))
    assert told.pop("cursor")
    assert told == {"album_id": name, "created_after": "2019-12-31T23:00:00Z", "limit": "1"}
    response = await reader.fetch(path)
    assert (response.code, len(json.loads(response.body)["imports"])) == (200, 1)
