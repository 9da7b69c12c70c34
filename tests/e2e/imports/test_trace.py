"""Traces and preflights: what an attempt did, and what one would do, through a running service and real origins."""

import hashlib
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Behaviour, Exchange, Origin, answer, redirect
from lading.service.documents.search import Filter
from lading.service.models import Status
from tests.support.servers.service import ORGANIZATION, OTHER_ISSUER, Client, final, running_service, token

DATA = jpeg(64, 48)


async def post(client: Client, url: Any, **params: Any) -> str:
    response = await client.post_json({"album_id": "imported_album", "url": url, **params})
    assert response.code == 200, response.body
    return str(json.loads(response.body)["id"])


async def trace(client: Client, import_id: str) -> dict[str, Any]:
    response = await client.fetch(f"/api/v1/imports/{import_id}/trace")
    assert response.code == 200, response.body
    found: dict[str, Any] = json.loads(response.body)
    return found


async def preflight(client: Client, **params: Any) -> tuple[int, dict[str, Any]]:
    response = await client.fetch(
        "/api/v1/imports/preflight",
        method="POST",
        body=json.dumps({"album_id": "imported_album", **params}),
        headers={"Content-Type": "application/json"},
    )
    return response.code, json.loads(response.body)


@pytest.mark.gen_test(timeout=30)
async def test_every_attempt_is_shown_with_what_took_its_time(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(Origin({"/a.jpg": answer(DATA)}))
        origin.routes["/moved"] = answer(b"", 302, {"Location": f"{origin.url('/a.jpg', name='localhost')}?key=hush"})
        service = await stack.enter_async_context(running_service(tmp_path))
        client = Client(service.url, token())
        import_id = await post(client, origin.url("/moved"))
        await final(client, import_id)
        found = await trace(client, import_id)
        assert (found["id"], found["status"]) == (import_id, "done")
        (attempt,) = found["attempts"]
        assert (attempt["status"], attempt["error"], attempt["plugin"]) == ("done", None, None)
        assert attempt["redirects"] == [origin.url("/a.jpg", name="localhost")]
        names = [(phase["hop"], phase["name"]) for phase in attempt["phases"]]
        assert [name for name in names if name[1] != "send"] == [
            *((1, "connect"), (1, "head")),
            *((2, "dns"), (2, "connect"), (2, "head"), (2, "body"), (2, "detect"), (2, "save")),
        ]
        assert all(phase["milliseconds"] >= 0 for phase in attempt["phases"])
        assert sum(phase["milliseconds"] for phase in attempt["phases"]) <= attempt["milliseconds"] + 1
        assert "hush" not in json.dumps(found)


@pytest.mark.gen_test(timeout=30)
async def test_failures_are_shown_with_what_helps(tmp_path: Path) -> None:
    async with (
        Origin({"/busy.jpg": answer(b"", 503)}) as origin,
        running_service(tmp_path, LADING_WORKER__RETRY_BASE="0.1", LADING_WORKER__ATTEMPTS="2") as service,
    ):
        client = Client(service.url, token())
        import_id = await post(client, origin.url("/busy.jpg"))
        await final(client, import_id)
        found = await trace(client, import_id)
        assert [attempt["status"] for attempt in found["attempts"]] == ["queued", "failed"]
        for attempt in found["attempts"]:
            assert attempt["error"]["code"] == "origin_unavailable"
            assert attempt["error"]["hint"]
            assert attempt["plugin"] == "http"
        stranger = Client(service.url, token(issuer=OTHER_ISSUER, admin=True))
        assert (await stranger.fetch(f"/api/v1/imports/{import_id}/trace")).code == 404
        assert (await Client(service.url, "none").fetch(f"/api/v1/imports/{import_id}/trace")).code == 401


def once(data: bytes) -> Behaviour:
    """A single-use URL: it is gone with its first answer."""
    asked: list[bool] = []

    async def behave(exchange: Exchange) -> bool:
        asked.append(True)
        return await answer(data, 200 if len(asked) == 1 else 410)(exchange)

    return behave


@pytest.mark.gen_test(timeout=30)
async def test_a_preflight_sends_each_request_once_and_its_secrets_to_one_origin(tmp_path: Path) -> None:
    async with Origin() as other, Origin() as origin, running_service(tmp_path) as service:
        client = Client(service.url, token())
        other.routes = {"/c.jpg": once(DATA), "/mirror.jpg": once(DATA)}
        origin.routes = {"/a": redirect("/b"), "/b": redirect(other.url("/c.jpg")), "/none": answer(b"", 404)}
        headers = {"Authorization": "hush", "User-Agent": "Mozilla/5.0"}
        urls = [origin.url("/a"), other.url("/mirror.jpg"), origin.url("/none")]
        _, found = await preflight(client, url=urls, headers=headers)
        assert (found["would_succeed"], found["error"], found["final_url"]) == (True, None, other.url("/c.jpg"))
        assert sorted(request.target for request in origin.requests) == ["/a", "/b", "/none"]
        assert sorted(request.target for request in other.requests) == ["/c.jpg", "/mirror.jpg"]
        assert {request.headers["authorization"] for request in origin.requests} == {"hush"}
        assert not [request for request in other.requests if "hush" in str(request.headers)]
        assert {request.headers["user-agent"] for request in other.requests} == {"Mozilla/5.0"}
        told = [(finding["hop"], finding["subject"], finding["rule"]) for finding in found["findings"]]
        assert [one for one in told if one[1] == "answer"] == [
            (1, "answer", "status 302, a redirect"),
            (2, "answer", "status 302, a redirect"),
            (3, "answer", "status 200"),
        ]
        assert (1, "address") in {(hop, subject) for hop, subject, _ in told}
        assert [mirror["findings"][-1]["rule"] for mirror in found["mirrors"]] == [
            "status 200",
            "status 200",
            "status 404",
        ]


@pytest.mark.gen_test(timeout=30)
async def test_a_preflight_tells_what_would_become_of_an_import(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": answer(DATA), "/bad": answer(b"no image")}) as origin:
        origin.routes["/moved"] = answer(b"", 302, {"Location": f"{origin.url('/a.jpg')}?token=hush"})
        async with running_service(tmp_path) as service:
            client = Client(service.url, token())
            status, good = await preflight(client, url=origin.url("/moved"))
            assert (status, good["would_succeed"], good["error"]) == (200, True, None)
            assert good["grant"] == {"ability": "image_upload", "album_id": "imported_album", "allowed": True}
            assert good["image"] == {
                "format": "JPEG",
                "content_type": "image/jpeg",
                "width": 64,
                "height": 48,
                "orientation": 1,
                "frames": 1,
                "byte_size": len(DATA),
                "sha256": hashlib.sha256(DATA).hexdigest(),
            }
            assert good["final_url"] == origin.url("/a.jpg")
            assert {finding["hop"] for finding in good["findings"]} == {1, 2}
            assert all(finding["allowed"] for finding in good["findings"])
            assert good["plugins"] == {"fetcher": "url", "storage": "local"}
            assert good["duplicates"] == []
            assert "hush" not in json.dumps(good)
            _, bad = await preflight(client, url=origin.url("/bad"))
            assert (bad["would_succeed"], bad["error"]["code"]) == (False, "not_an_image")
            assert bad["error"]["hint"]
            _, wrong = await preflight(client, url=origin.url("/a.jpg"), expect={"format": "PNG"})
            assert wrong["error"]["code"] == "expectation_failed"
            status, never = await preflight(client, url=origin.url("/a.jpg"), expect={"format": "SVG"})
            assert (status, never["code"], never["parameter"]) == (422, "parameter_invalid", "expect[format]")
            _, missing = await preflight(client, url=[origin.url("/none"), origin.url("/a.jpg")])
            assert missing["would_succeed"] is True
            assert missing["final_url"] == origin.url("/a.jpg"), "of the source that led to the image"
            done = await final(client, await post(client, origin.url("/a.jpg")))
            _, again = await preflight(client, url=origin.url("/a.jpg"))
            assert again["duplicates"] == [done["image_id"]]
            page = await service.parts.store.search.list(Filter(ORGANIZATION), 10)
            assert [one.status for one in page.documents] == [Status.DONE], "a preflight leaves nothing"


@pytest.mark.gen_test(timeout=30)
async def test_a_preflight_tells_of_every_mirror(tmp_path: Path) -> None:
    async with (
        Origin({"/a.jpg": answer(DATA), "/bad": answer(b"no image")}) as origin,
        running_service(tmp_path) as here,
    ):
        origin.routes["/moved"] = answer(b"", 302, {"Location": origin.url("/a.jpg")})
        urls = [origin.url("/bad"), origin.url("/no"), origin.url("/moved"), f"{origin.url('/a.jpg')}?token=hush"]
        status, found = await preflight(Client(here.url, token()), url=urls)
        assert status == 200
        mirrors = found["mirrors"]
        assert [mirror["error"] and mirror["error"]["code"] for mirror in mirrors] == [
            *("not_an_image", "origin_not_found", None, None),
        ]
        assert [mirror["would_succeed"] for mirror in mirrors] == [False, False, True, True]
        assert (mirrors[2]["final_url"], mirrors[2]["image"]["format"]) == (origin.url("/a.jpg"), "JPEG")
        assert "hush" not in json.dumps(found)
        assert (found["would_succeed"], found["error"], found["final_url"]) == (True, None, mirrors[2]["final_url"])
        assert found["findings"] == mirrors[0]["findings"]
        _, none = await preflight(Client(here.url, token()), url=urls[:2])
        assert (none["would_succeed"], none["error"]["code"], none["image"]) == (False, "not_an_image", None)
        _, refused = await preflight(Client(here.url, token()), url=[urls[2], "http://10.0.0.1/a.jpg", "ftp://x/"])
        assert [mirror["error"] and mirror["error"]["code"] for mirror in refused["mirrors"]] == [
            *(None, "address_not_allowed", "url_scheme_not_allowed"),
        ]
        assert (refused["would_succeed"], refused["error"]["code"]) == (False, "address_not_allowed")


@pytest.mark.gen_test(timeout=30)
async def test_what_a_token_does_not_grant_is_not_looked_at(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": answer(DATA)}) as origin, running_service(tmp_path) as service:
        reader = Client(service.url, token(abilities=("see",)))
        _, found = await preflight(reader, url=origin.url("/a.jpg"))
        assert (found["would_succeed"], found["grant"]["allowed"]) == (False, False)
        assert (found["error"]["code"], found["findings"]) == ("forbidden", [])
        assert origin.connections == 0
        client = Client(service.url, token())
        _, denied = await preflight(client, url="http://10.0.0.1/a.jpg")
        assert (denied["would_succeed"], denied["error"]["code"]) == (False, "address_not_allowed")
        for params, parameter in (({}, "url"), ({"url": 1}, "url"), ({"url": "x", "dedupe": "y"}, "dedupe")):
            status, problem = await preflight(client, **params)
            assert (status, problem["parameter"]) == (422, parameter)
        assert (await preflight(Client(service.url, "none"), url="x"))[0] == 401


@pytest.mark.gen_test(timeout=30)
async def test_a_preflight_ends_in_time(tmp_path: Path) -> None:
    from lading.plugins.testing.origin import stall  # noqa: PLC0415

    async with Origin({"/a.jpg": stall()}) as origin:
        async with running_service(tmp_path, LADING_SERVICE__PREFLIGHT_TIMEOUT="1") as service:
            _, found = await preflight(Client(service.url, token()), url=origin.url("/a.jpg"))
            assert (found["would_succeed"], found["error"]["code"]) == (False, "deadline_exceeded")


@pytest.mark.gen_test(timeout=30)
async def test_a_preflight_of_what_is_refused_tells_the_code_and_the_log_the_rule(tmp_path: Path) -> None:
    rules: dict[str, Any] = {
        "LADING_FETCH_HTTP__DENY_NETWORKS": "127.0.0.0/8, ::1/128",
        "LADING_FETCH_HTTP__DENY_HOSTS": ".secret.test",
        "LADING_FETCH_HTTP__PORTS": "80, 18000-18999",
    }
    async with running_service(tmp_path, **rules) as here:
        client = Client(here.url, token())
        for url, subject, code, rule in (
            ("http://10.0.0.1/a.jpg", "address", "address_not_allowed", "private use"),
            ("http://localhost:18001/a.jpg", "address", "address_not_allowed", "deny_networks"),
            ("http://a.secret.test/a.jpg", "host", "host_not_allowed", "deny_hosts .secret.test"),
            ("http://a.test:444/a.jpg", "port", "url_port_not_allowed", "not in ports"),
            ("http://127.0.0.1:0/a.jpg", None, "url_invalid", None),
        ):
            with capture_logs() as logged:
                status, found = await preflight(client, url=url)
            assert (status, found["would_succeed"], found["error"]["code"]) == (200, False, code)
            assert found["findings"] == found["mirrors"][0]["findings"]
            denied = [(one["subject"], one["rule"]) for one in found["findings"] if not one["allowed"]]
            assert denied == ([(subject, code)] if subject else [])
            for internal in (
                "deny_networks 1",
                "deny_hosts .",
                "127.0.0.1/",
                "::1",
                "private use",
                "in ports",
                "18000",
            ):
                assert internal not in json.dumps(found)
            if rule is not None:
                (line,) = [line for line in logged if line["event"] == "preflight refused"]
                assert rule in " ".join(line["refused"])


@pytest.mark.gen_test(timeout=30)
async def test_a_preflight_tells_no_address_of_a_name_that_is_allowed(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": answer(DATA)}, host="::") as origin, running_service(tmp_path) as here:
        _, found = await preflight(Client(here.url, token()), url=origin.url("/a.jpg", name="localhost"))
        assert found["would_succeed"]
        assert [(one["subject"], one["rule"]) for one in found["findings"]] == [
            *(("port", "allowed"), ("host", "allowed"), ("address", "allowed"), ("answer", "status 200")),
        ]
        assert "127.0.0.1" not in json.dumps(found["findings"])
