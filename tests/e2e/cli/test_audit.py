"""Operators' changes are in the file of ``[audit]``: each command's, and what a service does by itself."""

import getpass
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lading.service.cli.main import main
from tests.e2e.cli import test_retention as retention
from tests.e2e.upgrades.test_earlier_release import SQL as RELEASE
from tests.support.servers.processes import ServiceProcess

CONF = f"{retention.CONF}\n[audit]\nfile = {{0}}/audit.jsonl\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "service.conf").write_text(CONF.format(tmp_path), encoding="utf-8")
    return tmp_path


def run(path: Path, *arguments: str, answer: str = "", **environ: str) -> Result:
    return CliRunner().invoke(main, arguments, input=answer, env={"LADING_CONFIG": f"{path}/service.conf", **environ})


def told(path: Path) -> list[tuple[str, dict[str, str], str, int | None]]:
    """The events without their moments; the operator of each is who runs the tests."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in (path / "audit.jsonl").read_text().splitlines()]
    assert all(line["actor"] == {"kind": "operator", "user": getpass.getuser()} for line in lines)
    return [(line["event"], line["object"], line["outcome"], line.get("imports")) for line in lines]


def test_each_command_tells_who_did_it(path: Path) -> None:
    retention.filled(path)
    created = run(path, "issuer", "create", "--organization", "acme", "--id", "mine")
    secret = created.output.split()[-1]
    assert run(path, "issuer", "create", "--organization", "acme", "--id", "mine").exit_code == 1
    rotated = run(path, "issuer", "rotate", "mine")
    for command in ("disable", "enable"):
        assert run(path, "issuer", command, "mine").exit_code == 0
    assert run(path, "issuer", "disable", "nobody").exit_code == 1
    assert run(path, "issuer", "list").exit_code == 0
    assert run(path, "queue", "pause", "--host", "a.example").exit_code == 0
    assert run(path, "queue", "resume", "--host", "a.example").exit_code == 0
    assert run(path, "queue", "retry", "--issuer", "one", "--since", "1h", answer="n\n").exit_code == 1
    assert run(path, "queue", "retry", "--issuer", "one", "--since", "1h", "--yes").exit_code == 0
    assert run(path, "queue", "cancel", "--yes").exit_code == 0
    assert run(path, "retention", "run").exit_code == 0
    found = told(path)
    since = found[8][1].pop("since")
    assert since
    mine = {"issuer_id": "mine"}
    assert found == [
        ("issuer.created", {**mine, "organization_id": "acme"}, "done", None),
        ("issuer.created", {**mine, "organization_id": "acme"}, "failed", None),
        ("issuer.rotated", mine, "done", None),
        ("issuer.disabled", mine, "done", None),
        ("issuer.enabled", mine, "done", None),
        ("issuer.disabled", {"issuer_id": "nobody"}, "failed", None),
        ("queue.paused", {"host": "a.example"}, "done", None),
        ("queue.resumed", {"host": "a.example"}, "done", None),
        ("queue.retried", {"issuer_id": "one"}, "done", 1),
        ("queue.cancelled", {}, "done", 1),
        ("retention.run", {}, "done", 3),
    ]
    text = (path / "audit.jsonl").read_text()
    assert secret not in text
    assert rotated.output.split()[3] not in text


def test_a_restore_is_told(path: Path, tmp_path: Path) -> None:
    retention.filled(path)
    backup, here = tmp_path / "backup", {"LADING_DOCUMENTS_SQLITE__PATH": str(tmp_path / "restored.db")}
    assert run(path, "backup", str(backup)).exit_code == 0
    assert run(path, "restore", str(backup)).exit_code == 1, "there is a database"
    run(path, "restore", str(backup), **here)  # its images were never stored, which the audit tells
    assert told(path) == [
        ("backup.restored", {"directory": str(backup)}, "failed", None),
        ("backup.restored", {"directory": str(backup)}, "done", None),
    ]


def test_an_upgrade_of_the_database_is_told(path: Path) -> None:
    with closing(sqlite3.connect(path / "lading.db")) as connection:
        connection.executescript(RELEASE.read_text(encoding="utf-8"))
    for _ in range(2):
        assert run(path, "migrate").exit_code == 0
    assert told(path) == [("database.upgraded", {}, "done", None)]


def test_a_command_that_cannot_be_recorded_changes_nothing(path: Path) -> None:
    for environ in ({"LADING_AUDIT__FILE": str(path / "none" / "audit.jsonl")}, {"LADING_AUDIT__FILE": str(path)}):
        refused = run(path, "issuer", "create", "--organization", "acme", "--id", "mine", **environ)
        assert (refused.exit_code, "cannot be written" in refused.output) == (1, True), refused.output
    assert "mine" not in run(path, "issuer", "list").output


def test_a_service_refuses_to_start_without_its_audit_log(path: Path) -> None:
    environ = {"LADING_AUDIT__FILE": str(path / "none" / "audit.jsonl"), "LADING_SERVICE__PORT": "0"}
    with ServiceProcess(("serve", "--config", str(path / "service.conf")), {**os.environ, **environ}, path) as process:
        assert process.process.wait(60) == 1
        assert "audit.jsonl cannot be written" in process.wait_for("the process ends with an error")["reason"]
