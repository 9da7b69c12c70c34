"""Limits: 429 for too many requests, and what its headers say; 403 for too many stored bytes."""

import json
from dataclasses import replace

import pytest

from lading.service.limits.quotas import Quotas
from lading.service.limits.rates import Policy
from lading.service.models import Import
from lading.service.models.clock import SystemClock
from tests.api.conftest import Assembled
from tests.conformance.documents.cases.base import IMAGE
from tests.support.plugins.scripted import make_import
from tests.support.servers.service import ORGANIZATION, OTHER_ISSUER, Client, token
from tests.unit.limits.one_process import rates_of_one_process

pytestmark = pytest.mark.gen_test

BODY = "album_id=imported_album&url=http%3A%2F%2F127.0.0.1%2Fa.png"
NAMES = ("RateLimit", "RateLimit-Policy", "Retry-After")


@pytest.fixture
def api_changes() -> dict[str, object]:
    return {"common.rates": rates_of_one_process(Policy("issuer", 3, 3600, {OTHER_ISSUER: 0}))}


async def test_a_sender_over_its_limit_is_429_until_it_has_waited(client: Client, assembled: Assembled) -> None:
    answers = [await client.post(BODY) for _ in range(5)]
    assert [answer.code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers] == [
        f'"issuer";r={left}' for left in (2, 1, 0, 0, 0)
    ]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"issuer";q=3;w=3600'}
    refused = answers[-1]
    assert 1100 <= int(refused.headers["Retry-After"]) <= 1200
    assert b'"code":"rate_limited"' in refused.body
    assert refused.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert "X-message" not in refused.headers
    assert len(assembled.accepted) == 3


async def test_a_request_that_is_refused_for_what_it_says_counts_too(client: Client) -> None:
    answers = [await client.post("album_id[]=1") for _ in range(4)]
    assert [answer.code for answer in answers] == [422, 422, 422, 429]
    assert all("RateLimit" in answer.headers for answer in answers)


async def test_only_posts_of_those_who_have_a_token_count(client: Client, base_url: str) -> None:
    for _ in range(5):
        assert (await Client(base_url, "no token").post(BODY)).code == 401
        assert (await client.fetch("/api/v1/imports/unknown")).code == 404
    answer = await client.post(BODY)
    assert (answer.code, answer.headers["RateLimit"].partition(";t")[0]) == (200, '"issuer";r=2')


async def test_an_issuer_without_a_limit_is_told_of_none(client: Client) -> None:
    free = Client(client.base, token(issuer=OTHER_ISSUER, expires=None))
    for _ in range(6):
        answer = await free.post(BODY)
        assert answer.code == 200
        assert [name for name in NAMES if name in answer.headers] == []


async def test_an_organisation_whose_quota_is_used_up_is_403(client: Client, assembled: Assembled) -> None:
    quotas = Quotas(assembled.parts.store, 100, max_age=0)
    imports = replace(assembled.resources.imports.imports, quotas=quotas)
    object.__setattr__(assembled.resources.imports, "imports", imports)
    assert (await client.post(BODY)).code == 200
    store = assembled.parts.store
    document = done_import()
    await store.add(document)
    refused = await client.post(BODY)
    assert refused.code == 403
    assert json.loads(refused.body)["code"] == "quota_exceeded"
    assert "100 stored bytes" in json.loads(refused.body)["detail"]
    assert [name for name in ("X-message", "Retry-After") if name in refused.headers] == []
    deleted = document.image_deleted(document.updated_at)
    assert await store.update(deleted)
    assert await store.update(deleted.image_purged(document.updated_at))
    assert (await client.post(BODY)).code == 200


def done_import() -> Import:
    image = replace(IMAGE, byte_size=100)
    running = make_import(organization_id=ORGANIZATION).claimed("worker", SystemClock().now())
    return running.succeeded(image, "url", SystemClock().now())
