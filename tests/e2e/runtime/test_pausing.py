"""Operators pause an issuer on several processes, and drain processes, and everything else goes on."""

import json
import sqlite3
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import quote

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer, origin_in_thread
from tests.support.servers.processes import HttpClient, ServiceProcess, lading, wait_until
from tests.support.servers.service import CONF, ISSUER, OTHER_ISSUER, environment, token

CHANGED = "the pauses of the queue have changed"
TOLD = {"everything": False, "hosts": [], "issuers": [ISSUER]}


def test_no_import_of_a_paused_issuer_begins_on_any_process_and_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    environ = environment(
        tmp_path,
        LADING_SERVICE__PORT="0",
        LADING_SERVICE__LOG_FORMAT="json",
        LADING_WORKER__POLL_INTERVAL="0.1",
        LADING_WORKER__LEASE="3",
    )

    def run(*arguments: str) -> list[str]:
        done = lading(*arguments, "--config", "service.conf", cwd=tmp_path, environ=environ)
        assert (done.status, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def queue(*arguments: str) -> list[str]:
        return run("queue", *arguments)

    def begun(issuer: str) -> Counter[bool]:
        """How many imports of the issuer a worker has claimed, and how many none."""
        with closing(sqlite3.connect(tmp_path / "lading.sqlite3")) as database:
            query = "SELECT revision > 0, count(*) FROM imports WHERE issuer_id = ? GROUP BY 1"
            return Counter({bool(is_begun): count for is_begun, count in database.execute(query, (issuer,))})

    def beats() -> dict[str, int]:
        """How often each worker has written its record."""
        with closing(sqlite3.connect(tmp_path / "lading.sqlite3")) as database:
            return dict(database.execute("SELECT id, revision FROM records WHERE kind = 'worker'").fetchall())

    origin = Origin(otherwise=answer(jpeg(40, 30)), lifetime=300)
    with origin_in_thread(origin), ExitStack() as stack:
        processes = [
            stack.enter_context(ServiceProcess((command, "--config", "service.conf"), environ, tmp_path))
            for command in ("serve", "worker", "worker")
        ]
        for process in processes[1:]:
            process.wait_for("working")
        url = processes[0].wait_for("listening")["address"]
        held, other = HttpClient(url, token()), HttpClient(url, token(issuer=OTHER_ISSUER))
        form = f"album_id=imported_album&url={quote(origin.url('/a.jpg'), safe='')}"

        assert queue("pause", "--issuer", ISSUER) == [f"paused: issuer {ISSUER}; queued imports: 0"]
        for process in processes:
            assert TOLD.items() <= process.wait_for(CHANGED).items()
        paused = [held.accepted(form) for _ in range(6)]
        # Every process works meanwhile, and would have claimed what came first.
        going_on = [other.accepted(form) for _ in range(30)]
        assert {other.final(one)["status"] for one in going_on} == {"done"}
        assert begun(ISSUER) == {False: 6}
        assert any(line.split()[:2] == ["queued", "6"] for line in queue())

        assert queue("resume", "--issuer", ISSUER) == [f"resumed: issuer {ISSUER}"]
        assert {held.final(one)["status"] for one in paused} == {"done"}
        wait_until(lambda: all(len(process.logged(CHANGED)) == 2 for process in processes))

        (line,) = run("workers", "--json")
        workers = json.loads(line)["workers"]
        assert sorted(worker["process"] for worker in workers) == ["serve", "worker", "worker"]
        assert {worker["pid"] for worker in workers} == {process.process.pid for process in processes}
        ids = {worker["pid"]: worker["id"] for worker in workers}
        for process in processes:
            said = run("workers", "drain", ids[process.process.pid], "--wait", "30s")
            assert said[-1] == f"drained: {ids[process.process.pid]} holds no import"
            assert process.wait_for("drained: the worker holds no import")["worker"] == ids[process.process.pid]
        left = [other.accepted(form) for _ in range(6)]
        # Nobody begins them, though each process has had its next heartbeat, and polls ten times a second.
        before = beats()
        wait_until(lambda: all(count > before[worker_id] for worker_id, count in beats().items()))
        assert begun(OTHER_ISSUER) == {True: 30, False: 6}
        # The last of the processes works again: it takes them all, and the others stay as they are.
        assert run("workers", "resume", ids[processes[2].process.pid])[0].startswith("resumed: ")
        assert {other.final(one)["status"] for one in left} == {"done"}
        assert [len(process.logged("an operator resumes this worker")) for process in processes] == [0, 0, 1]
        assert [process.terminate() for process in processes] == [0, 0, 0]
