"""``dedupe``, ``expect`` and several urls, through a running service and a real origin."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import SourceNotModified
from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.plugins.fetchers.http.options import HttpOptions
from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Behaviour, Exchange, Origin, answer
from lading.service.api.auth import issue_token
from lading.service.models.clock import SystemClock
from lading.service.models.issuers import Issuer
from tests.support.servers.service import ISSUER, SECRET, Client, final, running_service, token

A, B = jpeg(64, 48, seed=1), jpeg(64, 48, seed=2)


@asynccontextmanager
async def everything(directory: Path, **routes: Behaviour) -> AsyncIterator[tuple[Client, Origin]]:
    async with Origin({f"/{name}.jpg": route for name, route in routes.items()}) as origin:
        async with running_service(directory) as service:
            yield Client(service.url, token(admin=True)), origin


async def imported(client: Client, url: Any, album: str = "one", **params: Any) -> dict[str, Any]:
    response = await client.post_json({"album_id": album, "url": url, **params})
    assert response.code == 200, response.body
    return await final(client, json.loads(response.body)["id"])


def files(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in (directory / "images").rglob("*") if path.is_file()]


def versioned(data: bytes, etag: str) -> Behaviour:
    """Answers with 304 to who has this version."""

    async def behave(exchange: Exchange) -> bool:
        if exchange.request.headers.get("if-none-match") == etag:
            return await answer(b"", 304, {"ETag": etag})(exchange)
        return await answer(data, 200, {"ETag": etag})(exchange)

    return behave


def granted(**abilities: tuple[str, ...]) -> str:
    """A token with abilities in several albums."""
    return issue_token(
        Issuer(ISSUER, "unused", SECRET), abilities=abilities, now=SystemClock().now(), expires=timedelta(hours=1)
    )


# --- dedupe -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_tags", [False, True])
@pytest.mark.gen_test(timeout=60)
async def test_the_organisation_is_as_large_as_the_grant(tmp_path: Path, has_tags: bool) -> None:
    behaviour = versioned(A, '"1"') if has_tags else answer(A)
    async with everything(tmp_path, a=behaviour) as (admin, origin):
        url = origin.url("/a.jpg")
        first = await imported(admin, url, "one")
        cases: tuple[tuple[str, dict[str, tuple[str, ...]], bool | None], ...] = (
            ("two", {"two": ("image_upload",)}, False),
            ("three", {"three": ("image_upload", "see"), "one": ("image_upload", "image_download")}, False),
            ("four", {"four": ("image_upload",), "one": ("image_list",)}, True),
            ("five", {"five": ("image_upload",), "one": ("see",)}, True),
            ("one", {"one": ("image_upload",)}, True),
            ("two", {"two": ("image_upload",)}, None),  # its own from before
        )
        for number, (album, abilities, is_found) in enumerate(cases):
            client = Client(admin.base, granted(**abilities))
            document = await imported(client, url, album, dedupe="organization")
            duplicate_of = document["image"].get("duplicate_of")
            if is_found is not None:
                assert (duplicate_of == first["id"]) == is_found, number
            assert (duplicate_of is None) == (is_found is False), number
        assert len(files(tmp_path)) == 3


@pytest.mark.gen_test(timeout=30)
async def test_the_image_that_is_there_is_answered(tmp_path: Path) -> None:
    async with everything(tmp_path, a=answer(A), same=answer(A), b=answer(B)) as (client, origin):
        first = await imported(client, origin.url("/a.jpg"))
        again = await imported(client, origin.url("/same.jpg"), dedupe="album")
        assert again["status"] == "done"
        assert again["image"] == {**first["image"], "duplicate_of": first["id"]}
        elsewhere = await imported(client, origin.url("/same.jpg"), "two", dedupe="organization")
        assert elsewhere["image"]["duplicate_of"] == first["id"]
        assert files(tmp_path) == [A]
        assert len({one["image_id"] for one in (first, again, elsewhere)}) == 3, "each has an image of its own"
        for one, album in ((again, "one"), (elsewhere, "two")):
            shown = json.loads((await client.fetch(f"/api/v1/images/{one['image_id']}")).body)
            assert (shown["id"], shown["import_id"], shown["album_id"]) == (one["image_id"], one["id"], album)
            content = await client.fetch(f"/api/v1/images/{one['image_id']}/content")
            assert (content.code, content.body) == (200, A)
        for album, scope, path in (("two", "album", "/same"), ("one", "off", "/same"), ("one", "organization", "/b")):
            other = await imported(client, origin.url(f"{path}.jpg"), album, dedupe=scope)
            assert "duplicate_of" not in other["image"]
        assert len(files(tmp_path)) == 4
        response = await client.fetch(f"/api/v1/images/{first['image_id']}")
        assert json.loads(response.body)["import_id"] == first["id"]


@pytest.mark.gen_test(timeout=30)
async def test_a_deleted_image_is_no_duplicate(tmp_path: Path) -> None:
    async with everything(tmp_path, a=answer(A)) as (client, origin):
        first = await imported(client, origin.url("/a.jpg"))
        assert (await client.fetch(f"/api/v1/images/{first['image_id']}", method="DELETE")).code == 204
        again = await imported(client, origin.url("/a.jpg"), dedupe="organization")
        assert again["image_id"] != first["image_id"]
        assert files(tmp_path) == [A]


@pytest.mark.gen_test(timeout=30)
async def test_a_source_that_has_not_changed_costs_a_304(tmp_path: Path) -> None:
    async with everything(tmp_path, a=versioned(A, '"v1"')) as (client, origin):
        url = origin.url("/a.jpg")
        first = await imported(client, url)
        again = await imported(client, url, dedupe="organization")
        assert again["image"] == {**first["image"], "duplicate_of": first["id"]}
        assert (await client.fetch(f"/api/v1/images/{again['image_id']}/content")).body == A
        assert files(tmp_path) == [A]
        assert origin.requests[-1].headers["if-none-match"] == '"v1"'
        plain = await imported(client, url)
        assert "duplicate_of" not in plain["image"]
        assert "if-none-match" not in origin.requests[-1].headers
        origin.routes["/a.jpg"] = versioned(B, '"v2"')
        changed = await imported(client, url, dedupe="organization")
        assert origin.requests[-1].headers["if-none-match"] == '"v1"'
        assert changed["image"]["sha256"] == hashlib.sha256(B).hexdigest()
        failed = await imported(client, url, dedupe="organization", expect={"min_width": 1000})
        assert origin.requests[-1].headers["if-none-match"] == '"v2"'
        assert failed["error"]["code"] == "expectation_failed"


@pytest.mark.gen_test
async def test_a_fetcher_says_that_a_source_has_not_changed() -> None:
    async with Origin({"/a.jpg": versioned(A, '"v1"')}) as origin:
        fetcher = HttpFetcher(HttpOptions(allow_networks="127.0.0.0/8", ports="1-65535"))
        try:
            with pytest.raises(SourceNotModified) as raised:
                async with fetcher.open(Source(origin.url("/a.jpg"), if_none_match='"v1"')):
                    pass
            assert raised.value.code == "source_not_modified"
            async with fetcher.open(Source(origin.url("/a.jpg"), if_none_match='"v0"')) as fetched:
                assert (fetched.etag, b"".join([chunk async for chunk in fetched.chunks])) == ('"v1"', A)
        finally:
            await fetcher.close()


@pytest.mark.gen_test(timeout=30)
async def test_a_304_that_nobody_asked_for_is_the_origins_fault(tmp_path: Path) -> None:
    async with everything(tmp_path, a=answer(b"", 304)) as (client, origin):
        document = await imported(client, origin.url("/a.jpg"), dedupe="organization")
        assert document["error"]["code"] == "origin_protocol_error"


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"dedupe": "everywhere"}, "dedupe"),
        ({"dedupe": ["off"]}, "dedupe"),
        ({"dedupe": "album", "album_id": None}, "dedupe"),
        ({"expect": {"min_width": "wide"}}, "expect[min_width]"),
        ({"url": []}, "url"),
        ({"url": ["http://a.example/", ""]}, "url"),
        ({"url": ["http://a.example/"] * 9}, "url"),
        ({"url": ["http://a.example/", "ftp://a.example/"]}, "url[1]"),
    ],
)
@pytest.mark.gen_test(timeout=30)
async def test_what_makes_no_sense_is_refused(tmp_path: Path, params: dict[str, Any], parameter: str) -> None:
    async with everything(tmp_path) as (client, _):
        response = await client.post_json({"album_id": "one", "url": "http://a.example/a.jpg", **params})
        assert (response.code, json.loads(response.body)["parameter"]) == (422, parameter)


# --- expect -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=30)
async def test_what_is_not_as_expected_is_not_stored(tmp_path: Path) -> None:
    async with everything(tmp_path, a=answer(A)) as (client, origin):
        url = origin.url("/a.jpg")
        sha256 = hashlib.sha256(A).hexdigest()
        done = await imported(client, url, expect={"sha256": sha256, "min_width": 64, "content_type": "image/jpeg"})
        assert done["status"] == "done"
        assert files(tmp_path) == [A]
        failed = await imported(client, url, expect={"sha256": "0" * 64})
        assert (failed["status"], failed["error"]["code"]) == ("failed", "expectation_failed")
        assert sha256 in failed["error"]["detail"]
        assert failed["attempts"] == 1
        assert files(tmp_path) == [A]


# --- several urls -----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=30)
async def test_the_first_good_one_wins(tmp_path: Path) -> None:
    async with everything(tmp_path, bad=answer(b"no image"), a=answer(A), b=answer(B)) as (client, origin):
        urls = [origin.url(f"/{name}.jpg") for name in ("missing", "bad", "a", "b")]
        done = await imported(client, urls)
        assert (done["status"], done["attempts"]) == ("done", 1)
        assert done["params"]["url"] == urls
        assert files(tmp_path) == [A]
        assert [request.target for request in origin.requests] == ["/missing.jpg", "/bad.jpg", "/a.jpg"]
        expected = await imported(client, urls, expect={"sha256": hashlib.sha256(B).hexdigest()})
        assert expected["image"]["sha256"] == hashlib.sha256(B).hexdigest()


@pytest.mark.gen_test(timeout=30)
async def test_where_none_is_good_the_first_that_may_come_to_be_counts(tmp_path: Path) -> None:
    async with everything(tmp_path, bad=answer(b"no image"), busy=answer(b"", 503)) as (client, origin):
        failed = await imported(client, [origin.url("/missing.jpg"), origin.url("/bad.jpg")])
        assert failed["error"]["code"] == "origin_not_found"
        response = await client.post_json({"url": [origin.url("/missing.jpg"), origin.url("/busy.jpg")]})
        import_id = json.loads(response.body)["id"]
        while (document := await client.document(import_id))["error"] is None:
            pass
        assert (document["error"]["code"], document["error"]["retryable"]) == ("origin_unavailable", True)


@pytest.mark.gen_test(timeout=30)
async def test_secrets_of_several_urls_are_shown_nowhere_and_used_for_each(tmp_path: Path) -> None:
    async with everything(tmp_path, a=answer(A)) as (client, origin):
        urls = [f"{origin.url('/none.jpg')}?token=hush1", f"{origin.url('/a.jpg')}?token=hush2"]
        done = await imported(client, urls)
        assert done["status"] == "done"
        assert "hush" not in json.dumps(done)
        assert [request.target for request in origin.requests] == ["/none.jpg?token=hush1", "/a.jpg?token=hush2"]
