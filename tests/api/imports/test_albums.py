"""``GET /api/v1/albums``: which albums a token may list, their numbers of imports, and pages."""

import json
import sys
from typing import Any

import pytest

from lading.service.documents import search
from tests.api.conftest import Assembled
from tests.api.imports.test_listing import allowed, post
from tests.support.clock import SettableClock
from tests.support.servers.service import OTHER_ISSUER, Client


async def albums(client: Client, query: str = "") -> list[dict[str, Any]]:
    """The albums of all pages."""
    found: list[dict[str, Any]] = []
    path: str | None = f"/api/v1/albums{query}"
    while path is not None:
        response = await client.fetch(path)
        assert response.code == 200, response.body
        found += json.loads(response.body)["albums"]
        link = response.headers.get("Link")
        path = link and link.removeprefix("<").removesuffix('>; rel="next"')
    return found


@pytest.mark.gen_test
async def test_albums_have_counts_and_the_newest_moment(client: Client, clock: SettableClock) -> None:
    writer = allowed(client, clock, admin=True)
    made = [await post(writer, clock, f"album_id={album}") for album in ("b", "ä/ö", "a", "b")]
    await post(writer, clock, "")
    newest = [(await writer.document(one))["created_at"] for one in (made[2], made[3], made[1])]
    expected = [
        {"album_id": album, "import_count": count, "is_exact": True, "newest_at": moment}
        for album, count, moment in zip(("a", "b", "ä/ö"), (1, 2, 1), newest, strict=True)
    ]
    for query in ("", "?limit=1", "?limit=2", "?limit=3"):
        assert await albums(writer, query) == expected
    assert await albums(allowed(client, clock, album="b", abilities=("see",))) == expected[1:2]
    assert await albums(allowed(client, clock, album="none", abilities=("image_list",))) == []
    assert await albums(allowed(client, clock, issuer=OTHER_ISSUER, admin=True)) == []


@pytest.mark.gen_test
async def test_a_page_that_has_counted_enough_is_short(
    client: Client, clock: SettableClock, assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = allowed(client, clock, admin=True)
    for album in ("a", "a", "b", "c"):
        await post(writer, clock, f"album_id={album}")
    for room in (search, sys.modules[type(assembled.parts.store.search).__module__]):
        monkeypatch.setattr(room, "MAX_EXAMINED", 1)
        monkeypatch.setattr(room, "MAX_COUNTED", 2)
    first = await writer.fetch("/api/v1/albums")
    assert [one["album_id"] for one in json.loads(first.body)["albums"]] == ["a"]
    assert first.headers["Link"].endswith('>; rel="next"')
    found = [(one["album_id"], one["import_count"], one["is_exact"]) for one in await albums(writer)]
    assert found == [("a", 2, False), ("b", 1, True), ("c", 1, True)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=%21", "cursor=_w", "album_id=a", "cursor="])
@pytest.mark.gen_test
async def test_what_is_no_query_is_refused(client: Client, clock: SettableClock, query: str) -> None:
    response = await allowed(client, clock, admin=True).fetch(f"/api/v1/albums?{query}")
    assert (response.code, json.loads(response.body)["code"]) == (422, "parameter_invalid")


@pytest.mark.gen_test
async def test_a_token_that_may_list_nothing_is_refused(client: Client, clock: SettableClock) -> None:
    response = await allowed(client, clock, abilities=("image_upload", "image_download")).fetch("/api/v1/albums")
    assert (response.code, json.loads(response.body)["code"]) == (403, "forbidden")
