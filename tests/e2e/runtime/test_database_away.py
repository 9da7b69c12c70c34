"""The database is away, or cannot be used, when a process starts: what it answers, logs, and ends with."""

import asyncio
import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from lading.service.documents.sqlite.engine.file import APPLICATION_ID
from lading.service.documents.sqlite.schema import SCHEMA_VERSION
from tests.support.servers.mongod import ReplicaSet, replica_set
from tests.support.servers.processes import Finished, ServiceProcess, lading, wait_until
from tests.support.servers.service import CONF, Client, environment, final, running_service, token


def downs(process: ServiceProcess) -> list[str]:
    """The parts whose outage the process has logged."""
    return [line["component"] for line in process.logged("a component is down")]


async def answers_without_a_database(client: Client) -> None:
    assert (await client.fetch("/healthz")).code == 200
    ready = await client.fetch("/readyz")
    assert (ready.code, json.loads(ready.body)["detail"]) == (503, "Not ready: documents.")
    for response in (await client.post_json({"album_id": "imported_album"}), await client.fetch("/api/v1/imports/x")):
        assert (response.code, json.loads(response.body)["code"]) == (503, "documents_unavailable")
        assert int(response.headers["Retry-After"]) > 0


async def until_ready(client: Client) -> None:
    while (await client.fetch("/readyz")).code != 200:
        await asyncio.sleep(0.1)


@contextmanager
def stopped_set() -> Iterator[ReplicaSet]:
    """A replica set that exists, and whose server does not run."""
    with replica_set() as mongo:
        mongo.node.stop()
        yield mongo


@pytest.mark.timeout(120)
@pytest.mark.gen_test(timeout=110)
async def test_processes_wait_for_mongodb_and_then_work(tmp_path: Path) -> None:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    with stopped_set() as mongo:
        environ = environment(
            tmp_path,
            LADING_DOCUMENTS__BACKEND="mongo",
            LADING_DOCUMENTS_MONGO__URI=mongo.uri,
            LADING_DOCUMENTS_MONGO__TIMEOUT="1",
            LADING_SERVICE__LOG_FORMAT="json",
        )
        given = ("--config", str(tmp_path / "service.conf"))
        async with Origin(otherwise=answer(jpeg())) as origin:
            with (
                ServiceProcess(("serve", "--processes", "2", *given), environ, tmp_path) as service,
                ServiceProcess(("worker", *given), environ, tmp_path) as worker,
            ):
                base = (await asyncio.to_thread(service.wait_for, "listening"))["address"]
                await asyncio.to_thread(service.wait_for, "a child process serves")
                await asyncio.to_thread(worker.wait_for, "working")
                client = Client(base, token())
                await answers_without_a_database(client)
                worker.process.send_signal(signal.SIGHUP)
                await asyncio.to_thread(worker.wait_for, "the configuration is reloaded")
                mongo.node.start()
                await until_ready(client)
                # Of the other child, whose turn to try comes within seconds.
                await asyncio.to_thread(wait_until, lambda: len(service.logged("a component recovered")) == 2)
                posted = await client.post_json({"album_id": "imported_album", "url": origin.url("/a.jpg")})
                assert (await final(client, json.loads(posted.body)["id"]))["status"] == "done"
                await asyncio.to_thread(worker.wait_for, "a component recovered")
                assert worker.terminate() == 0
                assert service.terminate() == 0
    assert downs(worker) == ["documents"]
    assert downs(service) == ["documents"] * 2, "each child says it once"
    assert not service.logged("a child process died; the supervisor starts it again")
    assert [line for line in (*service.lines, *worker.lines) if "text" in line] == []


@pytest.mark.gen_test(timeout=60)
async def test_a_service_waits_for_the_lock_of_sqlite_and_for_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lading.sqlite3"
    path.parent.symlink_to("not mounted yet")
    options = {"LADING_DOCUMENTS_SQLITE__PATH": str(path), "LADING_DOCUMENTS_SQLITE__BUSY_TIMEOUT": "0"}
    async with running_service(tmp_path, None, **options) as service:
        client = Client(service.url, token())
        await answers_without_a_database(client)
        path.parent.resolve().mkdir()
        await until_ready(client)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        async with running_service(tmp_path, None, **options) as service:
            client = Client(service.url, token())
            await answers_without_a_database(client)
            other.execute("COMMIT")
            other.close()
            await until_ready(client)
            assert (await client.post_json({"album_id": "imported_album"})).code == 200


@pytest.mark.gen_test(timeout=60)
async def test_a_service_stops_while_it_waits(tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to("not mounted yet")
    async with running_service(tmp_path, LADING_DOCUMENTS_SQLITE__PATH=str(tmp_path / "folder" / "lading.sqlite3")):
        pass


# --- configurations that no later try makes right ---------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration whose database was written by a newer version."""
    path = tmp_path / "lading.sqlite3"
    (tmp_path / "service.conf").write_text(f"{CONF}\n[documents.sqlite]\npath = {path}\n", encoding="utf-8")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    return tmp_path


def ended(folder: Path, *command: str, **environ: str) -> Finished:
    return lading(*command, "--config", "service.conf", cwd=folder, environ=environ)


NEWER = f"service.conf: [documents.sqlite] path: SQLite database %s has schema version {SCHEMA_VERSION + 1}, newer than"


def test_a_newer_schema_ends_a_start_with_one_line(folder: Path) -> None:
    told = NEWER % (folder / "lading.sqlite3")
    worker = ended(folder, "worker", LADING_SERVICE__LOG_FORMAT="console")
    assert worker.status == 1
    assert worker.stderr.startswith(f"Error: {told}")
    assert len(worker.stderr.splitlines()) == 1
    served = ended(folder, "serve", "--processes", "2", LADING_SERVICE__LOG_FORMAT="json")
    lines = [json.loads(line) for line in served.stderr.splitlines()]
    (error,) = (line for line in lines if line["level"] == "critical")
    assert (served.status, error["reason"].startswith(told)) == (1, True)
    assert not any("child process died" in line["event"] for line in lines)
    checked = ended(folder, "check")
    assert (checked.status, f"fault: {told}" in checked.stderr) == (1, True)


def test_a_user_whom_mongodb_refuses_ends_a_start_with_one_line(folder: Path, mongo_set: ReplicaSet) -> None:
    uri = f"mongodb://somebody:hunter2@{mongo_set.uri.partition('//')[2]}&authSource=admin"
    mongo = {"LADING_DOCUMENTS__BACKEND": "mongo", "LADING_SERVICE__LOG_FORMAT": "json"}
    done = ended(folder, "serve", LADING_DOCUMENTS_MONGO__URI=uri, **mongo)
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (done.status, line["level"]) == (1, "critical")
    assert line["reason"].startswith("LADING_DOCUMENTS_MONGO__URI: [documents.mongo] uri: the server does not accept")
    assert "hunter2" not in done.stderr
