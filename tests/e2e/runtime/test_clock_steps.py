"""Machines whose clocks are an hour off, and clocks that are set while a service lives: nothing waits for that, and
nothing ends early. Real processes, on SQLite and MongoDB.
"""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Exchange, Origin, answer, origin_in_thread
from tests.chaos.harm.clocks import SettableClock, forget, without_clocks
from tests.support.servers.processes import ServiceProcess, wait_until
from tests.support.servers.service import CONF, environment, token

LEASE = 12.0
SETTLE = LEASE + 60.0
"""Seconds within which every import is final when its worker has died (P2)."""
CONTENT = jpeg(40, 30)
ALBUM = base64.b64encode(b"imported_album").decode()

pytestmark = pytest.mark.timeout(240)


class Source:
    """An origin that keeps some requests waiting, and answers others with errors, until it is well.

    Attributes:
        asked: how often it was asked.
    """

    def __init__(self) -> None:
        self.asked = {"held": 0, "failing": 0, "well": 0}
        self.is_well = threading.Event()

    async def __call__(self, exchange: Exchange) -> bool:
        kind = exchange.request.target.split("/")[1]
        self.asked[kind] += 1
        if kind == "failing" and not self.is_well.is_set():
            return await answer(b"", 500)(exchange)
        while kind == "held" and not self.is_well.is_set():
            await asyncio.sleep(0.02)
        return await answer(CONTENT)(exchange)


class Machines:
    """A service as processes on machines whose clocks differ."""

    def __init__(self, folder: Path, documents: dict[str, str], origin: Origin, stack: ExitStack) -> None:
        self.folder = folder
        self.documents = documents
        self.origin = origin
        self.stack = stack
        self.token = token()
        (folder / "service.conf").write_text(CONF, encoding="utf-8")

    def start(self, time_of: SettableClock | None = None, **overrides: str) -> "Machine":
        options = {
            "LADING_SERVICE__PORT": "0",
            "LADING_SERVICE__LOG_FORMAT": "json",
            "LADING_SERVICE__IDEMPOTENCY_LIFETIME": "1200",
            "LADING_UPLOADS__EXPIRE_AFTER": "1200",
            "LADING_UPLOADS__DIRECTORY": str(self.folder / "uploads"),
            "LADING_FETCH__DEADLINE": "600",
            "LADING_FETCH_HTTP__HEAD_TIMEOUT": "120",
            "LADING_FETCH_HTTP__READ_TIMEOUT": "120",
            "LADING_FETCH_HTTP__TOTAL_TIMEOUT": "300",
            "LADING_WORKER__LEASE": str(LEASE),
            "LADING_WORKER__PER_ISSUER": "64",
            "LADING_WORKER__PER_HOST": "64",
            "LADING_WORKER__POLL_INTERVAL": "0.2",
            "LADING_WORKER__ATTEMPTS": "20",
            "LADING_WORKER__RETRY_BASE": "2",
            "LADING_WORKER__RETRY_MAX": "4",
            **self.documents,
            **overrides,
            **({} if time_of is None else time_of.environment),
        }
        environ = environment(self.folder, **options)
        process = ServiceProcess(("serve", "--config", str(self.folder / "service.conf")), environ, self.folder)
        self.stack.enter_context(process)
        return Machine(self, process, process.wait_for("listening")["address"])


class Machine:
    """One process of it."""

    def __init__(self, machines: Machines, process: ServiceProcess, address: str) -> None:
        self._machines = machines
        self.process = process
        self._address = urlsplit(address).netloc

    def request(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = {} if method in ("GET", "HEAD") else {"Content-Type": "application/x-www-form-urlencoded"}
        given = {"Authorization": f"Bearer {self._machines.token}", **kind, **named}
        with closing(HTTPConnection(self._address, timeout=30)) as connection:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None, dict(response.getheaders())

    def post(self, path: str, **headers: str) -> str:
        """Import an image of the origin; the import's id."""
        url = quote(self._machines.origin.url(path), safe="")
        status, document, _ = self.request("POST", "/api/v1/imports", f"album_id=imported_album&url={url}", **headers)
        assert status == 200, document
        return str(document["id"])

    def document(self, import_id: str) -> dict[str, Any]:
        status, document, _ = self.request("GET", f"/api/v1/imports/{import_id}")
        assert status == 200, document
        found: dict[str, Any] = document
        return found

    def assert_all_done(self, import_ids: list[str], timeout: float) -> dict[str, int]:
        """How many attempts each took."""
        deadline = time.monotonic() + timeout
        documents = {}
        for import_id in import_ids:
            while (document := self.document(import_id))["status"] != "done":
                assert document["status"] in ("queued", "running"), document
                assert time.monotonic() < deadline, f"not within {timeout} s: {document}"
                time.sleep(0.1)
            documents[import_id] = document
        return {import_id: document["attempts"] for import_id, document in documents.items()}

    def kill(self) -> None:
        """``kill -9`` of the whole machine's processes, in effect: what is left of them notices and ends."""
        pids = {self.process.process.pid, *self.process.children}
        self.process.kill()
        forget(pids)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.long_form)])
def documents(request: pytest.FixtureRequest) -> dict[str, str]:
    environ: dict[str, str] = {} if request.param == "sqlite" else request.getfixturevalue("mongo_environ")
    return environ


@pytest.fixture
def machines(tmp_path: Path, documents: dict[str, str], source: Source) -> Iterator[Machines]:
    with ExitStack() as stack:
        origin = stack.enter_context(origin_in_thread(Origin(otherwise=source, lifetime=600)))
        yield Machines(tmp_path, documents, origin, stack)


@pytest.fixture
def wrong(tmp_path: Path) -> SettableClock:
    if reason := without_clocks():
        pytest.skip(reason)
    return SettableClock(tmp_path / "time")


# The next test sets clocks both ways; this one waits for two leases each time.
@pytest.mark.parametrize(
    "hours", [pytest.param(1.0, id="ahead"), pytest.param(-1.0, id="behind", marks=pytest.mark.long_form)]
)
def test_another_machine_finishes_what_one_whose_clock_is_off_has_begun(
    machines: Machines, source: Source, wrong: SettableClock, hours: float
) -> None:
    wrong.set(round(hours * 3600))
    strange = machines.start(wrong)
    running = [strange.post(f"/held/{number}.jpg") for number in range(8)]
    retried = [strange.post(f"/failing/{number}.jpg") for number in range(8)]
    created_at = strange.document(running[0])["created_at"]
    wait_until(lambda: source.asked["held"] == 8 and source.asked["failing"] >= 8)
    right = machines.start()
    assert created_at[11:13] != right.document(right.post("/well/first.jpg"))["created_at"][11:13], "no clock is off"

    time.sleep(1.5 * LEASE)  # both live: heartbeats come and go
    assert {strange.document(one)["attempts"] for one in running} == {1}, "a living worker has lost its lease"
    assert all(strange.document(one)["status"] == "running" for one in running)

    strange.kill()
    source.is_well.set()
    attempts = right.assert_all_done([*running, *retried], SETTLE)
    assert {attempts[one] for one in running} == {2}, "each was begun twice: by the dead, and by the living"


def test_clocks_that_are_set_while_a_service_lives_change_nothing(
    machines: Machines, source: Source, wrong: SettableClock
) -> None:
    both = [machines.start(wrong, LADING_WORKER__PER_ISSUER="4") for _ in range(2)]
    first, second = both
    imports = [first.post(f"/held/{number}.jpg") for number in range(12)]
    wait_until(lambda: source.asked["held"] >= 8)
    key = first.post("/well/by-key.jpg", Idempotency_Key="key")
    headers = {"Tus_Resumable": "1.0.0", "Upload_Length": "10", "Upload_Metadata": f"album_id {ALBUM}"}
    status, _, answered = first.request("POST", "/api/v1/uploads", **headers)
    assert status == 201
    upload = urlsplit(answered["Location"]).path

    for hours in (1.0, -1.0):
        before = [one.document(imports[0])["updated_at"] for one in both]
        wrong.set(round(hours * 3600))
        time.sleep(1.5 * LEASE)  # heartbeats come, and whoever thinks that others are dead recovers their imports
        assert before == [one.document(imports[0])["updated_at"] for one in both], "it was begun anew"
        assert second.post("/well/by-key.jpg", Idempotency_Key="key") == key, "the key was forgotten"
        status, _, told = second.request("HEAD", upload, Tus_Resumable="1.0.0")
        assert (status, told.get("Upload-Offset")) == (200, "0"), "the upload has expired"
        imports.append(first.post(f"/well/{hours}.jpg"))
    source.is_well.set()
    attempts = second.assert_all_done(imports, SETTLE)
    assert set(attempts.values()) == {1}
