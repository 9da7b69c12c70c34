"""``lading backup`` and ``lading restore`` beside a service that imports, with kills of both."""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, chdir, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
from click.testing import CliRunner

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Exchange, Origin, answer
from lading.service.cli.main import main
from lading.service.models import Status
from lading.service.storages.backup.archive import State
from lading.service.storages.backup.folders import SUFFIX
from tests.e2e.storages.test_storage_copy import files, fill, two_disks
from tests.support.servers.commands import start_command
from tests.support.servers.processes import Finished, lading
from tests.support.servers.service import CONF, Client, environment, final, running_service, token

IMAGES = [jpeg(32 + number, 24, seed=number) for number in range(8)]
QUICK = {
    "LADING_WORKER__LEASE": "3",
    "LADING_WORKER__POLL_INTERVAL": "0.05",
    "LADING_FETCH_HTTP__HEAD_TIMEOUT": "100",
    "LADING_FETCH_HTTP__TOTAL_TIMEOUT": "100",
    "LADING_SERVICE__SHUTDOWN_TIMEOUT": "0.1",
}
SLOW = "/slow.jpg"
POSTERS = 2
ABILITIES = ("image_upload", "image_download")


async def run(folder: Path, environ: dict[str, str], *arguments: str) -> Finished:
    command, *rest = arguments
    return await asyncio.to_thread(lading, command, "--config", "service.conf", *rest, cwd=folder, environ=environ)


@contextmanager
def begun(folder: Path, environ: dict[str, str], *arguments: str) -> Iterator[tuple[int, socket.socket]]:
    """A command that was begun: its process, and the socket that tells its exit status."""
    command, *rest = arguments
    request = {
        "arguments": [command, "--config", "service.conf", *rest],
        "cwd": str(folder),
        "environ": {**os.environ, "PYTHONASYNCIODEBUG": "", **environ},
    }
    with ExitStack() as stack:
        output = [stack.enter_context(TemporaryFile()) for _ in range(3)]
        answers, theirs = map(stack.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        start_command(request, [*(file.fileno() for file in output), theirs.fileno()])
        theirs.close()
        answers.settimeout(60)
        yield int(answers.recv(100)), answers


async def killed(folder: Path, environ: dict[str, str], partial: Path, after: float, *arguments: str) -> bool:
    """Kill a command some time after it has begun to write; whether it had not ended by itself."""

    def kill() -> bool:
        with begun(folder, environ, *arguments) as (pid, answers):
            answers.setblocking(False)
            while not partial.exists():
                if (status := _status(answers)) is not None:
                    return _is_killed(status)
                time.sleep(0.002)
            answers.settimeout(after)
            if (status := _status(answers)) is not None:
                return _is_killed(status)
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGKILL)
            answers.settimeout(60)
            return _is_killed(int(answers.recv(100)))

    return await asyncio.to_thread(kill)


def _status(answers: socket.socket) -> int | None:
    try:
        return int(answers.recv(100))
    except (BlockingIOError, TimeoutError):
        return None


def _is_killed(status: int) -> bool:
    assert status in (0, -signal.SIGKILL)
    return status != 0


class Importing:
    """Clients that post imports, one after the other, until they are stopped.

    Attributes:
        posted: by id, the path of the image.
        expected: the imports that must be in the backup.
        running: the imports that end after the backup.
    """

    def __init__(self, client: Client, origin: Origin) -> None:
        self.client = client
        self.posted: dict[str, str] = {}
        self.expected: set[str] = set()
        self.running: list[str] = []
        self._origin = origin
        self._stop = False

    async def post(self, path: str) -> str:
        response = await self.client.post_json({"album_id": "imported_album", "url": self._origin.url(path)})
        assert response.code == 200, response.body
        import_id: str = json.loads(response.body)["id"]
        self.posted[import_id] = path
        return import_id

    async def _keep_posting(self, rng: random.Random) -> None:
        while not self._stop:
            await final(self.client, await self.post(f"/{rng.randrange(len(IMAGES))}.jpg"))
            await asyncio.sleep(0.05)  # the processors are for the commands, too

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for seed in range(POSTERS):
                group.create_task(self._keep_posting(random.Random(seed)))
            try:
                yield
            finally:
                self._stop = True

    async def done(self) -> set[str]:
        """The imports that are done by now."""
        ids = list(self.posted)
        documents = await asyncio.gather(*map(self.client.document, ids))
        return {one for one, document in zip(ids, documents, strict=True) if document["status"] == "done"}


def statuses(database: Path) -> dict[str, str]:
    with closing(sqlite3.connect(database)) as connection:
        return dict(connection.execute("SELECT id, status FROM imports").fetchall())


async def check(client: Client, import_id: str, data: bytes) -> None:
    """Wait for the end of an import, and read its image back."""
    document = await final(client, import_id)
    assert document["status"] == "done", document
    response = await client.fetch(f"/api/v1/images/{document['image_id']}/content")
    assert (response.code, response.body) == (200, data)


async def killed_and_taken(there: Path, backup: Path, importing: Importing, rng: random.Random, kills: int) -> int:
    """Backups that are killed, or quicker than that, and then a whole one; the number of kills."""
    environ = environment(there, **QUICK)
    partial = backup.with_name(backup.name + SUFFIX)
    cut = 0
    for _ in range(kills):
        await asyncio.sleep(rng.uniform(0, 0.2))
        cut += await killed(there, environ, partial, rng.uniform(0, 0.4), "backup", str(backup), "--images")
        if backup.exists():
            assert (backup / "backup.json").exists()
            shutil.rmtree(backup)
    while not (done := await importing.done()):
        await asyncio.sleep(0.05)
    importing.running = [await importing.post(SLOW) for _ in range(2)]
    while "running" not in {(await importing.client.document(one))["status"] for one in importing.running}:
        await asyncio.sleep(0.05)
    taken = await run(there, environ, "backup", str(backup), "--images")
    assert (taken.status, taken.stderr) == (0, "")
    assert not partial.exists()
    facts = json.loads((backup / "backup.json").read_text())
    assert set(facts["objects"]) == {State.COPIED}
    assert facts["objects"][State.COPIED] >= len(done) > 0
    importing.expected = done
    return cut


async def killed_and_restored(here: Path, backup: Path, rng: random.Random, kills: int) -> int:
    """Restores that are killed, each in the place that the one before it left, and then a whole one."""
    (here / "service.conf").write_text(CONF, encoding="utf-8")
    environ = environment(here, **QUICK)
    database = here / "lading.sqlite3"
    cut = 0
    for _ in range(kills):
        partial = database.with_name(database.name + SUFFIX)
        cut += await killed(here, environ, partial, rng.uniform(0, 0.5), "restore", str(backup))
        if database.exists():  # it was quicker, or at its end
            shutil.rmtree(here / "images")
            database.unlink()
            for path in here.glob("lading.sqlite3-*"):
                path.unlink()
    restored = await run(here, environ, "restore", str(backup))
    assert (restored.status, restored.stderr) == (0, "")
    assert "nothing wrong" in restored.stdout
    assert database.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in here.glob("lading.sqlite3*")] == [database.name]
    return cut


@pytest.mark.parametrize("kills", [2, pytest.param(60, marks=[pytest.mark.long_form, pytest.mark.timeout(900)])])
@pytest.mark.gen_test(timeout=880)
async def test_kills_of_both_beside_a_service_that_imports(tmp_path: Path, kills: int) -> None:
    rng = random.Random(kills)
    release = asyncio.Event()

    async def slow(exchange: Exchange) -> bool:
        await release.wait()
        return await answer(IMAGES[0])(exchange)

    bodies = {f"/{number}.jpg": data for number, data in enumerate(IMAGES)}
    there, here, backup = (tmp_path / name for name in ("there", "here", "backup"))
    there.mkdir()
    here.mkdir()
    routes = {SLOW: slow, **{path: answer(data) for path, data in bodies.items()}}
    async with Origin(routes, lifetime=600) as origin:
        async with running_service(there, None, **QUICK) as service:
            importing = Importing(Client(service.url, token(abilities=ABILITIES)), origin)
            async with importing.going_on():
                cut = await killed_and_taken(there, backup, importing, rng, kills)
        cut += await killed_and_restored(here, backup, rng, kills)
        told = statuses(here / "lading.sqlite3")
        assert {told[one] for one in importing.expected} == {Status.DONE}
        assert {told[one] for one in importing.running} <= {
            Status.RUNNING,
            Status.QUEUED,
        }  # a busy machine loses a lease
        assert len(files(here / "images")) == list(told.values()).count(Status.DONE)
        release.set()
        async with running_service(here, None, **QUICK) as service:
            client = Client(service.url, token(abilities=ABILITIES))
            for import_id in told:
                await check(client, import_id, {SLOW: IMAGES[0], **bodies}[importing.posted[import_id]])
    assert cut >= kills // 2, "most runs are not over so soon"


# --- what they say ----------------------------------------------------------------------------------------------------


@pytest.fixture
def conf(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    return environment(tmp_path, **two_disks(tmp_path))


def invoked(folder: Path, environ: dict[str, str], *arguments: str) -> Finished:
    """As ``run``, in this process, which imports nothing again."""
    command, *rest = arguments
    with chdir(folder):
        done = CliRunner().invoke(main, [command, "--config", "service.conf", *rest], env=environ)
    return Finished(done.exit_code, done.stdout, done.stderr)


def elsewhere(folder: Path, environ: dict[str, str]) -> dict[str, str]:
    """Other places for everything."""
    return {**environ, **environment(folder / "elsewhere", **two_disks(folder / "elsewhere"))}


@pytest.mark.gen_test(timeout=100)
async def test_what_is_lost_is_told_and_everything_else_backed_up_and_restored(
    tmp_path: Path, conf: dict[str, str]
) -> None:
    documents = await fill(tmp_path, conf, 3)
    bodies = files(tmp_path / "old")
    (tmp_path / "old" / documents[0].storage_key).unlink()
    taken = await run(tmp_path, conf, "backup", "backup", "--images", "--json")
    lost, last = (json.loads(line) for line in taken.stdout.splitlines())
    assert (taken.status, taken.stderr) == (1, "")
    assert (lost["key"], lost["import_id"], lost["state"]) == (documents[0].storage_key, documents[0].id, State.FAILED)
    assert (last["backup"], last["objects"]) == (str(tmp_path / "backup"), {State.COPIED: 2, State.FAILED: 1})
    for path in (tmp_path / "backup").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    (tmp_path / "backup" / "images" / ".incoming").rmdir()  # as tools lose it that keep no empty folders
    restored = await run(tmp_path, elsewhere(tmp_path, conf), "restore", "backup")
    assert restored.status == 1
    assert [line.split()[:3] for line in restored.stdout.splitlines()[2:3]] == [["old:", "missing", lost["key"]]]
    assert files(tmp_path / "elsewhere" / "old") == {one.id: bodies[one.id] for one in documents[1:]}
    again = await run(tmp_path, elsewhere(tmp_path, conf), "restore", "backup")
    assert (again.status, again.stdout) == (1, "")
    assert "lading.sqlite3 exists already: a restore overwrites nothing" in again.stderr


def _damage(name: str) -> Callable[[Path], None]:
    def damage(backup: Path) -> None:
        path = next(backup.glob(name))
        path.write_bytes(path.read_bytes()[:-1] + b"~")

    return damage


def _newer(key: str) -> Callable[[Path], None]:
    def write(backup: Path) -> None:
        facts: dict[str, Any] = json.loads((backup / "backup.json").read_text())
        (backup / "backup.json").write_text(json.dumps({**facts, key: 99}))

    return write


def _put_stray(backup: Path) -> None:
    (backup.parent / "elsewhere" / "old").mkdir(parents=True)
    (backup.parent / "elsewhere" / "old" / "stray").touch()


def test_a_restore_that_is_refused_leaves_nothing(tmp_path: Path, conf: dict[str, str]) -> None:
    asyncio.run(fill(tmp_path, conf, 2))
    assert invoked(tmp_path, conf, "backup", "whole", "--images").status == 0
    cases = {
        "is damaged: ": (_damage("documents.sqlite3"), "documents.sqlite3"),
        "images.jsonl is damaged": (_damage("images.jsonl"), ""),
        "is damaged in the backup": (_damage("images/*/*"), "sha256"),
        "is not a whole backup": (lambda backup: (backup / "backup.json").unlink(), ""),
        "is a backup of format 99": (_newer("format"), "restore it with Lading "),
        "has schema version 99, newer than": (_newer("schema_version"), "restore it with Lading "),
        "has an object that the backup does not know": (_put_stray, "stray"),
    }
    for expected, (harm, more) in cases.items():
        shutil.copytree(tmp_path / "whole", tmp_path / "backup")
        harm(tmp_path / "backup")
        done = invoked(tmp_path, elsewhere(tmp_path, conf), "restore", "backup")
        assert (done.status, done.stdout) == (1, ""), expected
        assert expected in done.stderr
        assert more in done.stderr
        assert files(tmp_path / "elsewhere").keys() <= {"stray"}, "no image, and no part of a database"
        shutil.rmtree(tmp_path / "backup")
        shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)


def test_what_a_backup_refuses(tmp_path: Path, conf: dict[str, str]) -> None:
    nothing = invoked(tmp_path, conf, "backup", "backup")
    assert (nothing.status, nothing.stdout) == (1, "")
    assert nothing.stderr == f"Error: there is no database at {tmp_path / 'lading.sqlite3'}\n"
    asyncio.run(fill(tmp_path, conf, 1))
    with closing(sqlite3.connect(tmp_path / "lading.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 3")
    older = invoked(tmp_path, conf, "backup", "backup")
    assert older.status == 1
    assert "the database has schema version 3, and this version of Lading works with" in older.stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    full = invoked(tmp_path, conf, "backup", "full")
    assert (full.status, full.stderr) == (
        1,
        f"Error: {tmp_path / 'full'} exists already: name a new folder, or an empty one\n",
    )
    mongo = {**conf, "LADING_DOCUMENTS__BACKEND": "mongo"}
    for command in ("backup", "restore"):
        done = invoked(tmp_path, mongo, command, "full")
        assert done.status == 1
        assert "Use mongodump --oplog and mongorestore --oplogReplay" in done.stderr
    assert not [*tmp_path.glob(f"*{SUFFIX}")]
