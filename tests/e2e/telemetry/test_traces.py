"""Traces from real processes to a receiver of OpenTelemetry: one import is one trace, and no secret is in it."""

import asyncio
import base64
import json
import os
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from tornado.httpclient import HTTPResponse

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer, origin_in_thread
from lading.service.cli.main import main
from lading.service.models import Status
from tests.support.servers.processes import HttpClient, ServiceProcess, wait_until
from tests.support.servers.service import CONF, Client, environment, final, running_service, token
from tests.unit.observe.telemetry.receiver import Received, Receiver, otlp_receiver

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
GONE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "congo=t61rcWkgMzE"}
ON: dict[str, Any] = {"LADING_OTEL__ENABLED": "true", "LADING_SERVICE__LOG_FORMAT": "json"}
SECRETS = ("hush", "imported_album", "a secret file", "Bearer", "eyJ")
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as found:
        yield found


def only(spans: list[Received], name: str, trace_id: str = TRACE) -> Received:
    (found,) = [span for span in spans if span.name == name and span.trace_id == trace_id]
    return found


def said_no_secret(receiver: Receiver) -> None:
    said = b"".join(receiver.bodies)
    assert [secret for secret in SECRETS if secret.encode() in said] == []


# --- processes --------------------------------------------------------------------------------------------------------


def post(base: str, body: Mapping[str, object], headers: Mapping[str, str]) -> bytes:
    headers = {"Authorization": f"Bearer {token()}", **JSON, **headers}
    request = urllib.request.Request(f"{base}/api/v1/imports", json.dumps(body).encode(), dict(headers))
    with urllib.request.urlopen(request, timeout=30) as response:
        return bytes(response.read())


@pytest.mark.timeout(120)
def test_an_import_is_one_trace_through_all_processes_and_restarts(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    environ = environment(
        tmp_path,
        **ON,
        LADING_SERVICE__PORT="0",
        LADING_WORKER__ENABLED="false",
        LADING_WORKER__RETRY_BASE="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS="x-key=hush",
    )
    conf = ("--config", str(tmp_path / "service.conf"))
    origin = Origin({"/a.jpg": answer(b"", 503), "/hook": answer(b"")})
    with origin_in_thread(origin), ServiceProcess(("serve", *conf), environ) as service:
        base = service.wait_for("listening")["address"]
        client = HttpClient(base, token(abilities=("image_upload", "webhook_manage")))
        assert client.get("/api/v1/webhooks/secret")[0] == 200
        body = {
            "url": f"{origin.url('/a.jpg')}?token=hush",
            "album_id": "imported_album",
            "filename": "a secret file.jpg",
            "headers": {"X-Key": "hush"},
            "webhook": {"url": f"{origin.url('/hook')}?key=hush"},
        }
        accepted = json.loads(post(base, body, SENT))
        assert "trace" not in "".join(accepted), "the body of the contract stays as it is"
        with ServiceProcess(("worker", *conf), environ) as worker:
            wait_until(lambda: client.document(accepted["id"])["attempts"] >= 1)
            wait_until(lambda: bool(worker.logged("import")))
            assert worker.terminate() == 0
        origin.routes["/a.jpg"] = answer(jpeg(64, 48))
        with ServiceProcess(("worker", *conf), environ) as another:
            assert client.final(accepted["id"])["status"] == "done"
            wait_until(lambda: [one for one in origin.requests if one.target.startswith("/hook")] != [])
            assert another.terminate() == 0
        status, trace = client.get(f"/api/v1/imports/{accepted['id']}/trace")
        assert (status, trace["trace_id"], len(trace["attempts"]) >= 2) == (200, TRACE, True)
        assert service.terminate() == 0
        lines = [*service.logged("request"), *worker.logged("import"), *another.logged("import")]

    spans = [span for span in receiver.spans if span.trace_id == TRACE]
    request, acceptance = only(spans, "POST /api/v1/imports"), only(spans, "accept import")
    assert (request.parent, acceptance.parent) == (PARENT, request.id)
    attempts = [span for span in spans if span.name == "attempt import"]
    assert {span.parent for span in attempts} == {acceptance.id}
    assert [span.facts["lading.import.attempt"] for span in attempts] == [*range(1, len(attempts) + 1)]
    assert len({span.resource["process.pid"] for span in (request, attempts[0], attempts[-1])}) == 3
    assert attempts[0].facts["error.type"] == "origin_unavailable"
    done = attempts[-1]
    inner = [span.name for span in spans if span.parent == done.id]
    assert {"connect", "head", "body", "detect", "save", "fetch.http open", "storage.local save"} <= {*inner}
    assert {"documents update", "detect.pillow detect"} <= {*inner}
    delivered = [span for span in spans if span.name == "deliver webhook"][-1]
    assert (delivered.parent, delivered.facts["lading.delivery.outcome"]) == (acceptance.id, "delivered")
    for span in spans:
        assert 0 <= span.span.start_time_unix_nano <= span.span.end_time_unix_nano
    fetched = [one for one in origin.requests if one.target.startswith("/a.jpg")]
    hooks = [one for one in origin.requests if one.target.startswith("/hook")]
    assert not [one for one in fetched if {"traceparent", "tracestate"} & {*one.headers}], "no stranger is told"
    assert hooks[-1].headers["traceparent"] == f"00-{TRACE}-{delivered.id}-01"
    assert hooks[-1].headers["tracestate"] == SENT["tracestate"]
    logged = {line["span_id"] for line in lines if line["trace_id"] == TRACE}
    assert {request.id, *(span.id for span in attempts)} <= logged
    said_no_secret(receiver)


# --- one process ------------------------------------------------------------------------------------------------------


async def send(client: Client, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> HTTPResponse:
    response = await client.fetch(path, method=method, body=body, headers=headers)
    assert response.code in (200, 201, 204), response.body
    return response


async def send_in_every_way(client: Client, origin: Origin, image: bytes) -> tuple[dict[str, str], list[str]]:
    """The ids of the imports by the way in which they are sent, and of those of a batch."""

    async def imported(body: bytes, headers: Mapping[str, str]) -> str:
        return str(json.loads((await send(client, "POST", "/api/v1/imports", body, headers)).body)["id"])

    one, other = (
        json.dumps({"album_id": "imported_album", "url": origin.url(path)}).encode() for path in ("/a.jpg", "/none")
    )
    ids = {
        "garbage": await imported(one, {**JSON, "traceparent": "garbage"}),
        "unsampled": await imported(one, {**JSON, "traceparent": f"00-{TRACE}-{PARENT}-00"}),
        "put": await imported(b"album_id=imported_album", {"Content-Type": "application/x-www-form-urlencoded"}),
    }
    await send(client, "PUT", f"/api/v1/imports/{ids['put']}/content", image, SENT)
    ndjson = {"Content-Type": "application/x-ndjson", **SENT}
    batch = await send(client, "POST", "/api/v1/imports/batch", one + b"\n" + other, ndjson)
    album = base64.b64encode(b"imported_album").decode()
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(image)), "Upload-Metadata": f"album_id {album}"}
    location = (await send(client, "POST", "/api/v1/uploads", b"", {**tus, **SENT})).headers["Location"]
    ids["tus"] = location.rpartition("/")[2]
    for offset, piece in ((0, image[:100]), (100, image[100:])):
        sent = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
        await send(client, "PATCH", location, piece, {**sent, "Upload-Offset": str(offset)})
    return ids, [json.loads(line)["id"] for line in batch.body.splitlines()[:2]]


async def go_away(base: str) -> None:
    """Begin a request that never ends."""
    address = urlsplit(base)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"PUT /api/v1/imports/gone/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}"
    writer.write(f"{head}\r\ntraceparent: 00-{GONE}-{PARENT}-01\r\nContent-Length: 9\r\n\r\nhalf".encode())
    await writer.drain()
    await asyncio.sleep(0)
    writer.close()
    await writer.wait_closed()


@pytest.mark.gen_test(timeout=60)
async def test_every_way_to_send_an_image_is_traced(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    image = jpeg(64, 48)
    traces = {}
    async with Origin({"/a.jpg": answer(image), "/none": answer(b"no image")}) as origin:
        async with running_service(tmp_path, **ON) as service:
            client = Client(service.url, token())
            ids, batched = await send_in_every_way(client, origin, image)
            for import_id in (*ids.values(), *batched):
                assert Status((await final(client, import_id))["status"]).is_final
            await go_away(service.url)
            for name, import_id in ids.items():
                response = await client.fetch(f"/api/v1/imports/{import_id}/trace")
                traces[name] = json.loads(response.body)["trace_id"]
    spans = receiver.spans
    assert (traces["unsampled"], traces["tus"]) == (TRACE, TRACE)
    assert TRACE not in (traces["garbage"], traces["put"])
    attempt = {span.facts["lading.import.id"]: span for span in spans if span.name == "attempt import"}
    acceptance = {span.facts["lading.import.id"]: span for span in spans if span.name == "accept import"}
    by_id = {span.id: span for span in spans}

    assert ids["unsampled"] not in {*attempt, *acceptance}
    assert only(spans, "POST /api/v1/imports", traces["garbage"]).parent == ""
    assert attempt[ids["garbage"]].trace_id == traces["garbage"]

    request = only(spans, "POST /api/v1/imports/batch")
    assert request.parent == PARENT
    for import_id in batched:
        made, ran = acceptance[import_id], attempt[import_id]
        assert (made.parent, made.links) == ("", [(TRACE, request.id)])
        assert (ran.trace_id, ran.parent) == (made.trace_id, made.id)
    assert attempt[batched[1]].facts["error.type"] == "not_an_image"
    assert len({acceptance[import_id].trace_id for import_id in batched}) == 2

    sent = attempt[ids["put"]]
    assert (sent.trace_id, sent.parent) == (traces["put"], acceptance[ids["put"]].id)
    assert [by_id[link].name for _, link in sent.links] == ["PUT /api/v1/imports/{import_id}/content"]
    assert (sent.facts["lading.fetcher"], sent.facts["lading.import.status"]) == ("upload", "done")
    resumed = attempt[ids["tus"]]
    assert (resumed.trace_id, resumed.parent) == (TRACE, acceptance[ids["tus"]].id)
    assert [by_id[link].name for _, link in resumed.links] == ["PATCH /api/v1/uploads/{upload_id}"]
    gone = only(spans, "PUT /api/v1/imports/{import_id}/content", GONE)
    assert "http.response.status_code" not in gone.facts, "its client went away"
    said_no_secret(receiver)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "status", "told"),
    [
        ({}, 0, "warning: LADING_OTEL__ENABLED: [otel] enabled: OTEL_EXPORTER_OTLP_ENDPOINT is not set"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            1,
            "[otel] enabled: OTEL_EXPORTER_OTLP_ENDPOINT must begin with",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, 0, None),
    ],
)
def test_check_tells_what_is_missing(tmp_path: Path, environ: dict[str, str], status: int, told: str | None) -> None:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    done = CliRunner(env={**environment(tmp_path, **ON), **environ}).invoke(
        main, ["check", "--config", str(tmp_path / "service.conf")]
    )
    assert done.exit_code == status, done.stderr
    assert (told is None) == ("otel" not in done.stderr)
    assert told is None or told in done.stderr
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in os.environ
