"""``lading queue``: what operators see of the queue, and what they do to it, on a database without a service."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from lading.service.cli.main import main
from lading.service.cli.queue import acting, command, pausing
from lading.service.documents import DocumentStore
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.errors.hints import HINTS
from lading.service.imports import bulk
from lading.service.models import Failure, Import, Status
from lading.service.models.clock import SystemClock
from lading.service.secrets.vault import Vault
from lading.service.webhooks.endpoints import Endpoint, Signing
from lading.service.work.orders import pauses
from tests.support.plugins.scripted import make_import

Answer = TypeVar("Answer")

TIMEOUT = {"status": Status.FAILED, "error": Failure("fetch_timeout", "Too slow.", retryable=True)}
CORRUPT = {"status": Status.FAILED, "error": Failure("image_corrupt", "Broken.", retryable=False)}
PLUGIN = {"status": Status.FAILED, "error": Failure("of_a_plugin", "Its own.", retryable=False)}
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Folder:
    """A folder with a database, and the commands that use it."""

    path: Path

    def run(self, *arguments: str, answer: str = "", **environ: str) -> Result:
        database = {"LADING_DOCUMENTS_SQLITE__PATH": str(self.path / "lading.db")}
        return CliRunner().invoke(main, ["queue", *arguments], input=answer, env={**database, **environ})

    def use(self, call: Callable[[DocumentStore], Coroutine[Any, Any, Answer]]) -> Answer:
        async def used() -> Answer:
            store = SqliteDocumentStore(self.path / "lading.db", SystemClock())
            await store.open()
            try:
                return await call(store)
            finally:
                await store.close()

        return asyncio.run(used())

    def add(self, *changes: dict[str, Any]) -> list[Import]:
        documents = [make_import(**{"host": "origin.example", **one}) for one in changes]

        async def add(store: DocumentStore) -> None:
            await asyncio.gather(*map(store.add, documents))

        self.use(add)
        return documents

    def statuses(self, documents: list[Import]) -> list[Status]:
        async def read(store: DocumentStore) -> list[Status]:
            found = [await store.get(one.id) for one in documents]
            return [one.status for one in found if one is not None]

        return self.use(read)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def ago(**fields: Any) -> dict[str, Any]:
    moment = (SystemClock().now() - timedelta(**fields)).replace(microsecond=0)
    return {"created_at": moment, "updated_at": moment}


# --- looking ----------------------------------------------------------------------------------------------------------


def test_the_queue_is_shown_by_state_issuer_host_and_code(folder: Folder) -> None:
    folder.add(*[{"issuer": "a", **ago(hours=3)}] * 3, {"issuer": "b", "error": TIMEOUT["error"]})
    folder.add({"status": Status.WAITING, "host": "", **ago(minutes=5)}, {**TIMEOUT, **ago(hours=2)})
    folder.add({**CORRUPT, **ago(days=2)}, {"status": Status.DONE}, {"status": Status.CANCELLED})
    shown = lines(folder.run())
    assert shown[0] == "paused: nothing"
    assert "queued 4 3h" in shown
    assert "running 0 -" in shown
    assert "waiting 1 5m" in shown
    assert "failed 1 2h" in shown
    assert "queued a origin.example - 3 3h" in shown
    assert any(line.startswith("queued b origin.example fetch_timeout 1 ") for line in shown)
    assert "waiting issuer - - 1 5m" in shown
    assert "failed issuer origin.example fetch_timeout 1 2h" in shown
    assert "failed 2 2d" in lines(folder.run("--since", "3d"))
    assert "failed 2 2d" in lines(folder.run("--since", "999999d")), "nothing is older than 1970"


def test_programs_read_the_queue_as_json(folder: Folder) -> None:
    (document,) = folder.add({**TIMEOUT, **ago(hours=2)})
    folder.run("pause", "--host", "Bücher.example")
    (found,) = [json.loads(line) for line in folder.run("--json").stdout.splitlines()]
    assert found["states"]["failed"] == {
        "count": 1,
        "oldest": document.updated_at.isoformat(),
        "is_whole": True,
    }
    assert found["states"]["queued"] == {"count": 0, "oldest": None, "is_whole": True}
    (group,) = found["groups"]
    assert (group["status"], group["code"], group["example"]) == ("failed", "fetch_timeout", document.id)
    (pause,) = found["paused"]
    assert (pause["issuer_id"], pause["host"]) == (None, "xn--bcher-kva.example")


def test_a_name_that_would_move_the_cursor_is_escaped(folder: Folder) -> None:
    folder.add({"issuer": "a\x1b[2J"})
    assert "\x1b" not in folder.run().stdout
    assert "'a\\x1b[2J'" in folder.run().stdout


def test_many_groups_are_cut_in_the_table_and_whole_in_json(folder: Folder) -> None:
    folder.add(*[{"issuer": f"issuer-{number}"} for number in range(command.ROWS + 3)])
    assert lines(folder.run())[-1] == "and 3 more groups; --json has all of them"
    assert len(json.loads(folder.run("--json").stdout)["groups"]) == command.ROWS + 3


def test_watching_prints_again_until_it_is_interrupted(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter((None, None, KeyboardInterrupt()))

    async def sleep(_seconds: float) -> None:
        if (interruption := next(looks)) is not None:
            raise interruption

    monkeypatch.setattr(asyncio, "sleep", sleep)
    watched = folder.run("--watch", "--json")
    assert watched.exit_code == 0
    assert len([json.loads(line) for line in watched.stdout.splitlines()]) == 3


def test_failures_are_grouped_with_an_example_and_a_hint(folder: Folder) -> None:
    folder.add({**TIMEOUT, "issuer": "a", **ago(hours=3)}, {**TIMEOUT, "issuer": "b", **ago(hours=2)})
    (last,) = folder.add({**TIMEOUT, "issuer": "b", **ago(hours=1)})
    folder.add({**CORRUPT, **ago(hours=1)}, {**PLUGIN, "host": "", **ago(hours=1)}, {**CORRUPT, **ago(days=2)}, {})
    shown = lines(folder.run("failures"))
    assert shown[1] == f"fetch_timeout origin.example 3 2 1h {last.id}"
    assert [line.split()[0] for line in shown[2:4]] == ["image_corrupt", "of_a_plugin"]
    assert f"fetch_timeout: {HINTS['fetch_timeout']}" in shown
    assert "of_a_plugin: The code of a plugin: read the documentation of the plugin." in shown
    printed = folder.run("failures", "--code", "fetch_timeout", "--json").stdout
    (found,) = map(json.loads, printed.splitlines())
    assert (found["count"], found["issuers"], found["example"]) == (3, 2, last.id)
    for since in ("90m", "999999d"):
        assert len(lines(folder.run("failures", "--since", since))) > 3
    assert lines(folder.run("failures", "--issuer", "nobody"))[0].startswith("no import has failed since ")


# --- acting -----------------------------------------------------------------------------------------------------------


def test_failed_imports_are_counted_and_retried_when_the_operator_agrees(folder: Folder) -> None:
    recent = {**TIMEOUT, **ago(hours=1)}
    documents = folder.add(recent, recent, CORRUPT, {**TIMEOUT, **ago(days=3)})
    chosen = ("retry", "--code", "fetch_timeout", "--since", "1d", "--host", "ORIGIN.example")
    refused = folder.run(*chosen, answer="n\n")
    assert (refused.exit_code, refused.stdout.splitlines()[0]) == (1, "found: 2 failed; issuers: 1, hosts: 1")
    assert folder.statuses(documents) == [Status.FAILED] * 4
    assert lines(folder.run(*chosen, answer="y\n"))[-1] == "retried: 2"
    assert folder.statuses(documents) == [Status.QUEUED, Status.QUEUED, Status.FAILED, Status.FAILED]
    assert lines(folder.run(*chosen, "--yes")) == ["no import to retry"]


def test_imports_that_are_not_final_are_cancelled(folder: Folder) -> None:
    running = {"status": Status.RUNNING, "worker_id": "worker", "claim": 1}
    documents = folder.add({}, running, {"status": Status.WAITING}, {"issuer": "b"}, TIMEOUT, {"status": Status.DONE})
    done = lines(folder.run("cancel", "--issuer", "issuer", "--yes"))
    assert set(done[0].removeprefix("found: ").partition(";")[0].split(", ")) == {"1 queued", "1 running", "1 waiting"}
    assert done[1:] == ["cancelled: 3"]
    assert folder.statuses(documents) == [Status.CANCELLED] * 3 + [Status.QUEUED, Status.FAILED, Status.DONE]


def test_an_act_takes_so_many_imports_and_says_when_there_may_be_more(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = folder.add({}, {"status": Status.WAITING}, {})
    monkeypatch.setattr(bulk.Bulk.choose, "__defaults__", (2,))
    monkeypatch.setattr(acting, "MOST", 2)
    first = folder.run("cancel", "--yes")
    assert "one command takes 2 imports; run it again for the rest" in first.stderr
    assert folder.statuses(documents).count(Status.CANCELLED) == 2
    assert lines(folder.run("cancel", "--yes"))[-1] == "cancelled: 1"


def test_a_full_queue_stops_the_retries(folder: Folder) -> None:
    documents = folder.add(*[TIMEOUT] * 20, {}, {})
    stopped = folder.run("retry", "--yes", LADING_WORKER__BACKLOG="2")
    assert stopped.exit_code == 1
    assert "retried: 0; backlog_full: " in stopped.stdout
    assert "left: " in stopped.stdout
    assert folder.statuses(documents).count(Status.FAILED) == 20


def test_an_import_that_changed_meanwhile_is_no_failure(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = folder.add(TIMEOUT, TIMEOUT)
    chosen = bulk.Bulk.choose

    async def then_retried(self: bulk.Bulk, *arguments: Any) -> Any:
        found = await chosen(self, *arguments)
        await self.lives.retry(documents[0])
        return found

    monkeypatch.setattr(bulk.Bulk, "choose", then_retried)
    assert lines(folder.run("retry", "--yes"))[-1] == "retried: 1; changed meanwhile: 1"


def test_whoever_listens_is_told_of_a_cancelled_import(folder: Folder) -> None:
    """By the outbox, whose events the services announce."""
    (document,) = folder.add({})
    now = document.created_at
    sealed = Signing.new().sealed(Vault())
    endpoint = Endpoint("endpoint", "issuer", "https://receiver.example/", ("*",), "", True, None, sealed, now, now)
    folder.use(lambda store: store.records.add(endpoint.record))
    assert lines(folder.run("cancel", "--yes"))[-1] == "cancelled: 1"
    found = folder.use(lambda store: store.get(document.id))
    assert found is not None
    assert [event["event"]["type"] for event in found.outbox] == ["import.cancelled"]


# --- pausing ----------------------------------------------------------------------------------------------------------


def test_a_pause_is_kept_shown_and_lifted(folder: Folder) -> None:
    folder.add({"issuer": "a"}, {"issuer": "a"}, {"issuer": "b"})
    assert lines(folder.run("pause", "--issuer", "a")) == ["paused: issuer a; queued imports: 2"]
    assert lines(folder.run("pause", "--issuer", "a")) == ["paused already: issuer a; queued imports: 2"]
    assert lines(folder.run("pause", "--host", "ORIGIN.example")) == ["paused: host origin.example; queued imports: 3"]
    assert lines(folder.run("pause")) == ["paused: everything; queued imports: 3"]
    (first, *_) = lines(folder.run())
    assert [part.split(" since ")[0] for part in first.removeprefix("paused: ").split("; ")] == [
        *("everything", "issuer a", "host origin.example"),
    ]
    remaining = lines(folder.run("resume"))
    assert remaining[0] == "resumed: everything"
    assert [line.split(" since ")[0] for line in remaining[1:]] == [
        *("still paused: issuer a", "still paused: host origin.example"),
    ]
    assert lines(folder.run("resume", "--issuer", "b"))[0] == "not paused: issuer b"
    assert len(lines(folder.run("resume", "--issuer", "a"))) == 2
    assert lines(folder.run("resume", "--host", "origin.example")) == ["resumed: host origin.example"]
    assert lines(folder.run())[0] == "paused: nothing"


@pytest.mark.parametrize("host", ["", "http://a.example", "a.example:80", "a.example/", "a b", "a@b", "a.example?"])
def test_what_is_no_host_is_refused(folder: Folder, host: str) -> None:
    refused = folder.run("pause", "--host", host)
    assert (refused.exit_code, "is not a host such as" in refused.stderr) == (2, True)


def test_what_is_no_code_is_refused(folder: Folder) -> None:
    refused = folder.run("failures", "--code", "x" * 101)
    assert (refused.exit_code, "is not an error code" in refused.stderr) == (2, True)


def test_there_are_only_so_many_pauses(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "MOST", 1)
    monkeypatch.setattr(pausing, "MOST", 1)
    assert folder.run("pause", "--issuer", "a").exit_code == 0
    refused = folder.run("pause", "--issuer", "b")
    assert (refused.exit_code, refused.output) == (1, "Error: there are 1 pauses already; resume some of them\n")


def test_a_database_that_refuses_is_told_with_its_option(folder: Folder) -> None:
    (folder.path / "lading.db").write_bytes(b"no database" * 1000)
    refused = folder.run()
    assert refused.exit_code == 1
    assert "[documents.sqlite] path" in refused.output


def test_a_pause_has_one_scope(folder: Folder) -> None:
    assert folder.run("pause", "--host", "a", "--issuer", "b").exit_code == 2


def test_documents_in_memory_are_refused(folder: Folder) -> None:
    refused = folder.run("failures", LADING_DOCUMENTS__BACKEND="memory")
    assert (refused.exit_code, "backend = memory" in refused.stderr) == (1, True)
