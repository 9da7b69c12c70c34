"""``lading workers``: what operators see of the workers, and how they drain them, on a database without a worker."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lading.service.cli.main import main
from lading.service.cli.queue import workers
from lading.service.documents import DocumentStore
from lading.service.models import Import, Status
from lading.service.models.clock import SystemClock, truncate_to_milliseconds
from lading.service.work.orders.crew import Crew, Identity, Member
from tests.e2e.cli.test_queue import Folder, lines
from tests.support.plugins.scripted import make_import

LEASE = timedelta(minutes=10)
MINUTE = timedelta(minutes=1)
UNKNOWN = "Error: no worker 'nobody' is alive; see 'lading workers'\n"


def run(folder: Folder, *arguments: str) -> Result:
    environ = {"LADING_DOCUMENTS_SQLITE__PATH": str(folder.path / "lading.db")}
    return CliRunner().invoke(main, ["workers", *arguments], env=environ)


def employ(folder: Folder, worker_id: str, host: str = "machine", held: int = 0, **changes: Any) -> list[Import]:
    """Add a worker that was seen just now, and imports that it holds, each claimed a minute before the next."""
    now = truncate_to_milliseconds(SystemClock().now())
    identity = Identity("worker", "1.2.3", now - 60 * MINUTE, worker_id, host, 4711)
    running: dict[str, Any] = {
        "status": Status.RUNNING,
        "worker_id": f"{worker_id}.1",
        "host": "origin.example",
        "attempts": 1,
    }
    documents = [make_import(**running, updated_at=now - (number + 1) * MINUTE) for number in range(held)]

    async def add(store: DocumentStore) -> None:
        seen_at = truncate_to_milliseconds(store.clock.now())
        await store.records.add(Member(identity, seen_at, seen_at + LEASE, **changes).record)
        for document in documents:
            await store.add(document)

    folder.use(add)
    return documents


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_without_a_worker_there_is_nothing_to_see_or_to_drain(folder: Folder) -> None:
    assert lines(run(folder)) == ["no worker is alive"]
    for arguments in (("drain", "nobody"), ("drain", "nobody", "--wait", "1s"), ("resume", "nobody")):
        refused = run(folder, *arguments)
        assert (refused.exit_code, refused.output) == (1, UNKNOWN)
        refused = run(folder, arguments[0], "x" * 65)
        assert (refused.exit_code, "is not the id of a worker" in refused.output) == (2, True)
    folder.add({"status": Status.RUNNING, "worker_id": "dead.1"})
    assert lines(run(folder)) == ["no worker is alive", "", "running imports of no worker above: 1"]


def test_the_workers_are_shown_with_what_they_hold(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = employ(folder, "abc", held=3)
    employ(folder, "def", "another\x1b", drained_at=SystemClock().now(), is_idle=True)
    shown = lines(run(folder))
    assert shown[0] == "ID HOST PID PROCESS VERSION STARTED SEEN STATE IMPORTS OLDEST"
    first, second = ([word for word in line.split() if word[-3:] != ":00"] for line in shown[1:3])
    assert (first[0], first[1], first[-3:]) == ("def", r"'another\x1b'", ["drained", "0", "-"])
    assert (second[:5], second[-3:]) == (["abc", "machine", "4711", "worker", "1.2.3"], ["working", "3", "3m"])
    assert shown[3:6] == ["", "WORKER IMPORT ISSUER HOST AGE", f"abc {documents[2].id} issuer origin.example 3m"]
    assert len(shown) == 8
    monkeypatch.setattr(workers, "ROWS", 2)
    assert lines(run(folder))[-1] == "and 1 more imports; --json has all of them"


def test_programs_read_the_workers_as_json(folder: Folder) -> None:
    documents = employ(folder, "abc", held=2)
    found = json.loads(run(folder, "--json").stdout)
    (worker,) = found.pop("workers")
    assert found.pop("at")
    assert found == {"other_imports": 0, "is_whole": True}
    assert 0 <= worker.pop("seen_seconds") <= 600
    assert 0 < worker.pop("lease_seconds") <= 600
    assert worker.pop("started_at")
    assert worker.pop("imports") == [
        {
            "id": document.id,
            "issuer_id": "issuer",
            "host": "origin.example",
            "since": document.updated_at.isoformat(),
            "attempts": 1,
        }
        for document in reversed(documents)
    ]
    assert worker == {
        "id": "abc",
        "state": "working",
        "host": "machine",
        "pid": 4711,
        "process": "worker",
        "version": "1.2.3",
        "drained_at": None,
    }


def test_a_drain_is_kept_shown_and_ended(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ASK_SECONDS", 0.01)
    employ(folder, "abc", held=2)
    assert lines(run(folder, "drain", "abc")) == ["draining: abc on machine, pid 4711; imports: 2"]
    late = run(folder, "drain", "abc", "--wait", "1s")
    assert (late.exit_code, late.stderr) == (1, "abc is not drained\n")
    assert late.stdout == "draining already: abc on machine, pid 4711; imports: 2\n"
    assert " draining 2 2m" in lines(run(folder))[1]
    assert lines(run(folder, "resume", "abc")) == ["resumed: abc on machine, pid 4711"]
    assert lines(run(folder, "resume", "abc")) == ["not drained: abc on machine, pid 4711"]

    employ(folder, "idle", drained_at=SystemClock().now(), is_idle=True)
    assert lines(run(folder, "drain", "idle", "--wait", "1s")) == [
        "drained already: idle on machine, pid 4711; imports: 0",
        "drained: idle holds no import",
    ]
    assert folder.use(lambda store: Crew(store).get("abc")).drained_at is None


def test_a_worker_whose_lease_has_ended_is_not_there(folder: Folder) -> None:
    employ(folder, "nobody")

    async def age(store: DocumentStore) -> None:
        (record,) = await store.records.list("worker", "queue", 10)
        assert await store.records.replace(record.changed(expires_at=record.expires_at and record.expires_at - LEASE))

    folder.use(age)
    assert lines(run(folder)) == ["no worker is alive"]
    assert run(folder, "drain", "nobody").output == UNKNOWN


def test_documents_in_memory_are_refused(folder: Folder) -> None:
    refused = CliRunner().invoke(main, ["workers"], env={"LADING_DOCUMENTS__BACKEND": "memory"})
    assert (refused.exit_code, "cannot see the documents" in refused.output) == (1, True)
    assert not (folder.path / "lading.db").exists()
