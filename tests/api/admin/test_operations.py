"""Operations of the admin listener: the queue, the pauses and the workers as JSON; and the refusal of web pages."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from lading.service.api.admin.operations import is_own_name
from lading.service.models import Failure, Status
from lading.service.observe.audit.file import audit_file
from lading.service.runtime.serving import RunningService
from lading.service.work.orders import pauses
from tests.support.plugins.scripted import make_import
from tests.support.servers.service import running_service

OTHER: dict[str, Any] = {"issuer": "a", "host": "a.example"}
TIMEOUT: dict[str, Any] = {
    "host": "b.example",
    "status": Status.FAILED,
    "error": Failure("fetch_timeout", "Too slow.", retryable=True),
}
CORRUPT: dict[str, Any] = {
    "host": "b.example",
    "status": Status.FAILED,
    "error": Failure("image_corrupt", "Broken.", retryable=False),
}
JSON = {"Content-Type": "application/json"}
ADMIN = {"LADING_ADMIN__PORT": "0", "LADING_ADMIN__HOSTS": "Lading.example.org, other.example.org"}


async def ask(
    url: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> HTTPResponse:
    client = AsyncHTTPClient()
    return await client.fetch(
        url, method=method, body=body, headers=headers, raise_error=False, allow_nonstandard_methods=True
    )


class Tool:
    """An operator's tool."""

    def __init__(self, service: RunningService) -> None:
        assert service.admin_url is not None
        self.url = service.admin_url

    async def get(self, path: str) -> Any:
        response = await ask(f"{self.url}/admin/{path}")
        assert (response.code, response.headers["Cache-Control"]) == (200, "no-store"), response.body
        return json.loads(response.body)

    async def post(self, path: str, **wish: Any) -> Any:
        response = await ask(f"{self.url}/admin/{path}", "POST", json.dumps(wish).encode(), JSON)
        assert response.code == 200, response.body
        return json.loads(response.body)


@pytest.mark.gen_test
async def test_tools_see_the_queue_and_the_workers_and_act_on_them(tmp_path: Path) -> None:
    async with running_service(tmp_path, None, **ADMIN, LADING_WORKER__POLL_INTERVAL="0.05") as service:
        tool, store = Tool(service), service.parts.store
        while not (workers := (await tool.get("workers"))["workers"]):
            pass
        (worker,) = workers
        facts = ("process", "pid", "state", "imports")
        assert [worker[name] for name in facts] == ["serve", os.getpid(), "working", []]

        # The worker is drained: nothing changes by itself from here on.
        drain = f"workers/{worker['id']}/drain"
        assert await tool.post(drain) in ({"id": worker["id"], "state": one} for one in ("draining", "drained"))
        while (await tool.get("workers"))["workers"][0]["state"] != "drained":
            pass
        told = json.loads((await ask(f"{tool.url}/readyz")).body)["worker"]
        assert told.pop("drained_at")
        assert told == {"id": worker["id"], "state": "drained", "imports": 0}

        for facts_of in (*[OTHER] * 3, TIMEOUT, TIMEOUT, CORRUPT):
            await store.add(make_import(**facts_of))
        queue = await tool.get("queue")
        assert {name: state["count"] for name, state in queue["states"].items()} == {
            "queued": 3,
            "running": 0,
            "waiting": 0,
            "failed": 3,
        }
        assert (len(queue["groups"]), queue["more_groups"], queue["paused"]) == (3, 0, [])
        assert (await tool.get("queue?since=999999d"))["failed_since"].startswith("1970-01-01T00:00:00")
        shorter = await tool.get("queue?limit=1&since=1h")
        assert (shorter["groups"], shorter["more_groups"]) == (queue["groups"][:1], 2)

        failed = await tool.get("queue/failures")
        assert [(one["code"], one["count"]) for one in failed["failures"]] == [
            ("fetch_timeout", 2),
            ("image_corrupt", 1),
        ]
        assert (failed["is_whole"], failed["more_failures"]) == (True, 0)
        assert failed["failures"][0]["hint"]
        narrow = await tool.get(
            "queue/failures?code=image_corrupt&host=B.example&issuer_id=issuer&since=999999d&limit=5"
        )
        assert narrow["failures"] == failed["failures"][1:]
        assert (await tool.get("queue/failures?limit=1"))["more_failures"] == 1

        wish = {"code": "fetch_timeout", "host": "b.example", "since": "1h"}
        found = {"found": 2, "more": False, "states": {"failed": 2}}
        assert await tool.post("queue/retry", **wish, dry_run=True) == found
        assert await tool.post("queue/retry", **wish) == {**found, "done": 2, "refused": {}, "left": 0}
        assert (await tool.post("queue/retry", **wish))["found"] == 0
        cancelled = await tool.post("queue/cancel", issuer_id="a", limit=2)
        assert cancelled == {
            "found": 2,
            "more": True,
            "states": {"queued": 2},
            "done": 2,
            "refused": {},
            "left": 0,
        }
        states = (await tool.get("queue"))["states"]
        assert {name: state["count"] for name, state in states.items() if state["count"]} == {"queued": 3, "failed": 1}

        paused = await tool.post("queue/pause", issuer_id="a")
        (pause,) = paused.pop("pauses")
        assert (paused, pause["issuer_id"], pause["host"]) == ({"changed": True}, "a", None)
        assert (await tool.post("queue/pause", issuer_id="a"))["changed"] is False
        assert [one["host"] for one in (await tool.post("queue/pause", host="B.example"))["pauses"]] == [
            None,
            "b.example",
        ]
        assert (await tool.get("queue"))["paused"] == (await tool.get("pauses"))["pauses"]
        assert (await tool.post("queue/resume", host="b.example")) == {"changed": True, "pauses": [pause]}
        assert (await tool.post("queue/resume"))["changed"] is False

        # The worker works again: what nobody has paused leaves the queue.
        assert (await tool.post(f"workers/{worker['id']}/resume"))["state"] == "working"
        while (await tool.get("queue"))["states"]["queued"]["count"] > 1:
            pass
        (left,) = [one for one in (await tool.get("queue"))["groups"] if one["status"] == "queued"]
        assert left["issuer_id"] == "a"


@pytest.mark.gen_test
async def test_what_tools_do_is_in_the_audit_log_and_what_they_only_ask_is_not(tmp_path: Path) -> None:
    conf = {**ADMIN, "LADING_WORKER__ENABLED": "false"}
    async with running_service(tmp_path, None, **conf) as service:
        tool, store = Tool(service), service.parts.store
        for facts_of in (OTHER, OTHER, TIMEOUT):
            await store.add(make_import(**facts_of))
        with audit_file(tmp_path / "audit", is_direct=True):
            await tool.get("queue")
            await tool.post("queue/retry", dry_run=True)
            await tool.post("queue/retry", code="image_corrupt")  # there is none
            await tool.post("queue/retry", code="fetch_timeout")
            await tool.post("queue/cancel", issuer_id="a")
            await tool.post("queue/pause", host="B.example")
            await tool.post("queue/resume", host="b.example")
            for order in ("drain", "resume"):
                for nobody in ("nobody", "x" * 10_000):
                    assert (await ask(f"{tool.url}/admin/workers/{nobody}/{order}", "POST", b"", JSON)).code == 404
    events = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    assert {json.dumps(one["actor"]) for one in events} == {'{"kind": "operator", "address": "127.0.0.1"}'}
    assert [(one["event"], one["object"], one["outcome"], one.get("imports")) for one in events] == [
        ("queue.retried", {"code": "fetch_timeout"}, "done", 1),
        ("queue.cancelled", {"issuer_id": "a"}, "done", 2),
        ("queue.paused", {"host": "b.example"}, "done", None),
        ("queue.resumed", {"host": "b.example"}, "done", None),
        ("worker.drained", {"worker_id": "nobody"}, "refused", None),
        ("worker.resumed", {"worker_id": "nobody"}, "refused", None),
    ]


REFUSALS = [
    ("POST", "queue/retry", b"{}", {}, 415, "unsupported_media_type", None),
    ("POST", "queue/retry", b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type", None),
    ("POST", "queue/pause", b"{}", {**JSON, "Origin": "null"}, 403, "browser_refused", None),
    ("POST", "queue/pause", b"{}", {**JSON, "Origin": "http://stranger.example"}, 403, "browser_refused", None),
    ("POST", "queue/pause", b"{}", {**JSON, "Host": "stranger.example"}, 421, "host_unknown", None),
    ("GET", "queue", None, {"Host": "stranger.example:9090"}, 421, "host_unknown", None),
    ("GET", "queue/retry", None, {}, 405, "method_not_allowed", None),
    ("DELETE", "pauses", None, {}, 405, "method_not_allowed", None),
    ("POST", "workers/nobody/drain", b"{}", JSON, 404, "worker_unknown", None),
    ("POST", "workers/nobody/resume", b"", JSON, 404, "worker_unknown", None),
    ("POST", "workers//drain", b"{}", JSON, 404, "not_found", None),
    ("GET", "nothing", None, {}, 404, "not_found", None),
    ("GET", "queue?limit=0", None, {}, 422, "parameter_invalid", "limit"),
    ("GET", "queue?limit=1001", None, {}, 422, "parameter_invalid", "limit"),
    ("GET", "queue?since=soon", None, {}, 422, "parameter_invalid", "since"),
    ("GET", "queue?code=x", None, {}, 422, "parameter_invalid", "code"),
    ("GET", "workers?limit=1", None, {}, 422, "parameter_invalid", "limit"),
    ("GET", "queue/failures?host=http://a/", None, {}, 422, "parameter_invalid", "host"),
    ("GET", "queue/failures?issuer_id[]=a", None, {}, 422, "parameter_invalid", "issuer_id"),
    ("GET", "queue?since=%ff", None, {}, 400, "params_invalid_encoding", "since"),
    ("POST", "queue/retry", b"[]", JSON, 400, "json_not_an_object", None),
    ("POST", "queue/retry", b"{", JSON, 400, "json_invalid", None),
    ("POST", "queue/retry", b'{"limit": true}', JSON, 422, "parameter_invalid", "limit"),
    ("POST", "queue/retry", b'{"limit": 1.0}', JSON, 422, "parameter_invalid", "limit"),
    ("POST", "queue/retry", b'{"dry_run": 1}', JSON, 422, "parameter_invalid", "dry_run"),
    *(
        ("POST", f"queue/{path}", json.dumps({name: text}).encode(), JSON, 422, "parameter_invalid", name)
        for path, name, text in (
            ("pause", "host", "x" * 60_000),
            ("pause", "host", "a..b"),
            ("resume", "host", "x" * 254),
            ("retry", "host", "*.example"),
            ("pause", "issuer_id", "x" * 256),
            ("pause", "issuer_id", "a\nb"),
            ("retry", "code", "x" * 101),
            ("cancel", "code", ""),
            ("cancel", "since", "1" * 60_000 + "d"),
        )
    ),
    ("POST", f"workers/{'x' * 65}/drain", b"", JSON, 404, "worker_unknown", None),
    ("POST", "workers/%0A/resume", b"", JSON, 404, "worker_unknown", None),
    ("POST", "workers/%ff/drain", b"", JSON, 404, "worker_unknown", None),
    ("POST", "queue/cancel", b'{"issuer_id": 1}', JSON, 422, "parameter_invalid", "issuer_id"),
    ("POST", "queue/cancel", b'{"album_id": "a"}', JSON, 422, "parameter_invalid", "album_id"),
    ("POST", "queue/pause", b'{"host": "a", "issuer_id": "b"}', JSON, 422, "parameter_invalid", "host"),
    ("POST", "queue/pause", b'{"host": null}', JSON, 422, "parameter_invalid", "host"),
    ("POST", "queue/pause?host=a", b"{}", JSON, 422, "parameter_invalid", "host"),
    ("POST", "queue/cancel?issuer_id=a", b"", JSON, 422, "parameter_invalid", "issuer_id"),
]


@pytest.mark.gen_test
async def test_what_is_refused_has_a_problem_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_service(tmp_path, None, **ADMIN, LADING_WORKER__ENABLED="false") as service:
        tool = Tool(service)
        for method, path, body, headers, status, code, parameter in REFUSALS:
            response = await ask(f"{tool.url}/admin/{path}", method, body, headers)
            problem = json.loads(response.body)
            told = (response.code, response.headers["Content-Type"], problem["code"], problem.get("parameter"))
            assert told == (status, "application/problem+json", code, parameter), (method, path, body)
            if status == 405:
                assert response.headers["Allow"] == ("POST" if method == "GET" else "GET, HEAD")
        assert await tool.get("pauses") == {"pauses": []}
        assert (await tool.get("workers"))["workers"] == []
        for host in ("lading.example.org:9090", "OTHER.example.org", "localhost", "lading-1:80", "[::1]:9090"):
            assert (await ask(f"{tool.url}/admin/pauses", headers={"Host": host})).code == 200
        assert (await ask(f"{tool.url}/metrics", headers={"Host": "any.example"})).code == 200
        assert (await ask(f"{tool.url}/admin/pauses", "HEAD")).code == 200
        assert (await ask(f"{service.url}/admin/queue")).code == 404, "the API has nothing of it"

        monkeypatch.setattr(pauses, "MOST", 1)
        await tool.post("queue/pause")
        full = await ask(f"{tool.url}/admin/queue/pause", "POST", b'{"host": "a"}', JSON)
        assert (full.code, json.loads(full.body)["code"]) == (409, "pauses_full")

        await service.parts.store.close()
        for path in ("queue", "queue/failures", "pauses", "workers"):
            away = await ask(f"{tool.url}/admin/{path}")
            assert (away.code, json.loads(away.body)["code"]) == (503, "documents_unavailable")
            assert away.headers["Retry-After"] == "5"
        for path in ("queue/retry", "queue/cancel", "queue/pause", "queue/resume", "workers/a/drain"):
            assert (await ask(f"{tool.url}/admin/{path}", "POST", b"{}", JSON)).code == 503


@pytest.mark.gen_test
async def test_a_body_beyond_the_limit_is_refused_as_that(tmp_path: Path) -> None:
    limit = 64 * 1024
    fits, exceeds = (json.dumps({"host": "x" * (size - len('{"host": ""}'))}).encode() for size in (limit, limit + 1))
    assert (len(fits), len(exceeds)) == (limit, limit + 1)

    async def sent(path: str, body: bytes, *, is_chunked: bool = False, method: str = "POST") -> tuple[int, Any]:
        async def produce(write: Any) -> None:
            for start in range(0, len(body), 10_000):
                await write(body[start : start + 10_000])

        response = await AsyncHTTPClient().fetch(
            url + path,
            method=method,
            headers=JSON,
            raise_error=False,
            allow_nonstandard_methods=True,
            **({"body_producer": produce} if is_chunked else {"body": body}),
        )
        return response.code, json.loads(response.body).get("code")

    async with running_service(tmp_path, None, **ADMIN) as service:
        url = str(service.admin_url)
        too_large = (413, "request_body_too_large")
        for is_chunked in (False, True):
            assert await sent("/admin/workers/x/drain", fits, is_chunked=is_chunked) == (422, "parameter_invalid")
            for path in ("queue/pause", "queue/resume", "queue/retry", "queue/cancel", "workers/x/drain"):
                assert await sent(f"/admin/{path}", exceeds, is_chunked=is_chunked) == too_large
        # Also where nobody reads a body.
        for path in ("/nowhere", "/healthz", "/admin/queue"):
            assert await sent(path, exceeds, method="GET") == too_large
        assert await Tool(service).get("pauses") == {"pauses": []}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1:9090",
        "[fe80::1]:80",
        "localhost:9090",
        "a.localhost",
        "lading",
        "KNOWN.example",
        "known.example:1",
    ],
)
def test_addresses_and_names_that_no_stranger_can_have_are_allowed(host: str) -> None:
    assert is_own_name(host, {"known.example"})


@pytest.mark.parametrize(
    "host", ["", "a.example", "127.0.0.1.nip.io", "known.example.a.example", "[::1", "known.example.", ":80"]
)
def test_other_names_are_not(host: str) -> None:
    assert not is_own_name(host, {"known.example"})
