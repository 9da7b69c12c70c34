"""Pages of other origins: what their browsers are told, and that nothing is said of it unless it is configured."""

from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from lading.service.api.http.cors import ALLOWED_HEADERS, EXPOSED_HEADERS, Cors
from lading.service.config import SettingsError, load_settings
from tests.api.conftest import Assembled
from tests.support.servers.service import Client

PAGE = "https://app.example.org"
OTHER = "https://evil.example.org"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture(params=["sqlite"])
def overrides(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"LADING_DOCUMENTS__BACKEND": request.param}


@pytest.fixture
def origins() -> tuple[str, ...]:
    return (PAGE, "http://localhost:3000")


@pytest.fixture
def api_changes(origins: tuple[str, ...]) -> dict[str, Any]:
    return {"common.cors": Cors(origins) if origins else None}


def told(response: HTTPResponse) -> dict[str, str]:
    return {name: value for name, value in response.headers.get_all() if name.startswith("Access-Control-")}


async def preflight(client: Client, path: str, origin: str = PAGE) -> HTTPResponse:
    return await client.fetch(path, method="OPTIONS", headers={"Origin": origin, **PREFLIGHT})


@pytest.mark.gen_test
async def test_a_page_may_ask_and_read(client: Client) -> None:
    asked = await preflight(client, "/api/v1/imports")
    assert asked.code == 204
    assert told(asked) == {
        "Access-Control-Allow-Origin": PAGE,
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        "Access-Control-Allow-Methods": "GET, HEAD, POST",
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": "7200",
    }
    assert asked.headers["Vary"] == "Accept-Encoding, Origin"
    answer = await client.fetch("/api/v1/imports", method="POST", body="album_id=x", headers={"Origin": PAGE})
    assert (answer.code, answer.headers["Access-Control-Allow-Origin"]) == (403, PAGE), "errors can be read too"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    unknown = await client.fetch("/nowhere", headers={"Origin": PAGE})
    assert (unknown.code, unknown.headers["Access-Control-Allow-Origin"]) == (404, PAGE)


@pytest.mark.parametrize("origin", [OTHER, "null", f"{PAGE}:444", f"{PAGE}.evil.org", PAGE.upper()])
@pytest.mark.gen_test
async def test_other_pages_may_not(client: Client, origin: str) -> None:
    asked = await preflight(client, "/api/v1/imports", origin)
    assert (asked.code, told(asked)) == (204, {})
    answer = await client.fetch("/healthz", headers={"Origin": origin})
    assert (told(answer), answer.headers["Vary"]) == ({}, "Accept-Encoding, Origin")
    assert (await client.fetch("/healthz")).headers["Vary"] == "Accept-Encoding, Origin"


@pytest.mark.parametrize("origins", [("*",)])
@pytest.mark.gen_test
async def test_all_pages_may(client: Client, origins: tuple[str, ...]) -> None:
    assert origins == ("*",)
    asked = await preflight(client, "/api/v1/images/x/content", OTHER)
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    answer = await client.fetch("/healthz", headers={"Origin": OTHER})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.gen_test
async def test_tus_is_asked_both_ways(client: Client) -> None:
    asked = await preflight(client, "/api/v1/uploads/x")
    assert asked.headers["Access-Control-Allow-Methods"] == "HEAD, DELETE, PATCH, OPTIONS"
    assert "Tus-Version" not in asked.headers
    for headers in ({}, {"Origin": PAGE}):
        discovered = await client.fetch("/api/v1/uploads", method="OPTIONS", headers=headers)
        assert discovered.headers["Tus-Version"] == "1.0.0"


@pytest.mark.parametrize("origins", [()])
@pytest.mark.gen_test
async def test_without_the_option_nothing_is_said(
    client: Client, assembled: Assembled, origins: tuple[str, ...]
) -> None:
    assert (assembled.resources.common.cors, origins) == (None, ())
    asked = await preflight(client, "/api/v1/imports")
    assert (asked.code, told(asked)) == (405, {})
    answer = await client.fetch("/healthz", headers={"Origin": PAGE})
    assert (told(answer), answer.headers["Vary"]) == ({}, "Accept-Encoding")
    assert (await preflight(client, "/api/v1/uploads")).headers["Tus-Version"] == "1.0.0"


def test_origins_are_judged_at_the_start(tmp_path: Path) -> None:
    conf = tmp_path / "service.conf"

    def load(value: str) -> tuple[str, ...]:
        conf.write_text(f"[service]\nallow_origins = {value}\n", encoding="utf-8")
        return load_settings(conf, {}).service.allow_origins

    assert load("") == ()
    assert load("*") == ("*",)
    assert load("https://A.example:443, http://[::1]:3000, capacitor://localhost") == (
        "https://a.example",
        "http://[::1]:3000",
        "capacitor://localhost",
    )
    for wrong in ("*, https://a.example", "a.example", "https://a.example/", "null", "https://*.a.example"):
        with pytest.raises(SettingsError, match="allow_origins"):
            load(wrong)
