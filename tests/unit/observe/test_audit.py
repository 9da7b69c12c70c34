"""The audit log: every event is recorded once for each change, whoever makes it and however it ends."""

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lading.service.errors.catalogue import ApiError
from lading.service.models.grants import Grant
from lading.service.observe.audit import file as audit_files
from lading.service.observe.audit import recording
from lading.service.observe.audit.actions import Action
from lading.service.observe.audit.file import AuditFile, AuditUnwritable, audit_file
from lading.service.observe.audit.recording import MAX_TEXT, SERVICE, audited, client, operator, recorded
from lading.service.observe.log_queue import dropped_lines

SERVICE_FOLDER = Path(recording.__file__).parents[2]
LIST = Path(recording.__file__).with_name("actions.py")
GRANT = Grant("my-issuer", "organization", "a token", subject="anna")
LINES = 200


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


class Shop:
    @audited(Action.IMAGE_DELETED, "image_id")
    async def delete(self, grant: Grant, image_id: str) -> str:
        if image_id == "missing":
            raise ApiError("not_found")
        if image_id == "away":
            raise ApiError("image_unavailable", retry_after=5)
        if image_id == "broken":
            raise ZeroDivisionError
        return f"{image_id} of {grant.issuer_id}"

    @audited(Action.WEBHOOK_CREATED, "endpoint_id", made=lambda answer: answer[0])
    async def create(self, _grant: Grant) -> tuple[str, str]:
        return "we_1", "a secret"


@pytest.mark.gen_test
async def test_each_end_of_an_operation_is_told_with_who_and_what(path: Path) -> None:
    shop = Shop()
    recording.request_id.set("request-1")
    with audit_file(path):
        assert await shop.delete(GRANT, "one") == "one of my-issuer"
        for image_id, error in (("missing", ApiError), ("away", ApiError), ("broken", ZeroDivisionError)):
            with pytest.raises(error):
                await shop.delete(GRANT, image_id)
        await shop.create(GRANT)
    found = lines(path)
    assert [(one["event"], one["object"], one["outcome"], one.get("code")) for one in found] == [
        ("image.deleted", {"image_id": "one"}, "done", None),
        ("image.deleted", {"image_id": "missing"}, "refused", "not_found"),
        ("image.deleted", {"image_id": "away"}, "failed", "image_unavailable"),
        ("image.deleted", {"image_id": "broken"}, "failed", None),
        ("webhook.created", {"endpoint_id": "we_1"}, "done", None),
    ]
    for one in found:
        assert one["actor"] == {"kind": "client", "issuer_id": "my-issuer", "subject": "anna"}
        assert (one["request_id"], one["logger"], one["timestamp"][-1]) == ("request-1", "audit", "Z")
    assert "secret" not in path.read_text()
    assert "a token" not in path.read_text()


def test_a_command_writes_to_the_file_alone(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with audit_file(path, is_direct=True), recorded(Action.QUEUE_PAUSED, operator(), host="a.example", issuer_id=None):
        assert not path.read_text(), "it is not done yet"
    with audit_file(path, is_direct=True), recorded(Action.RETENTION_RUN, SERVICE) as event:
        event.is_void = True
    with audit_file(None, is_direct=True), recorded(Action.QUEUE_PAUSED, operator()):
        pass
    (line,) = lines(path)
    assert (line["event"], line["object"], line["actor"]["kind"]) == ("queue.paused", {"host": "a.example"}, "operator")
    assert line["actor"]["user"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert capfd.readouterr() == ("", "")


def test_text_of_strangers_is_bounded_and_forges_no_line(path: Path) -> None:
    grant = Grant("my-issuer", "organization", "token", subject="\n{}\x1b[2J\u2028" + "x" * 10_000)
    with audit_file(path, is_direct=True), recorded(Action.IMPORT_DELETED, client(grant), import_id="\n" * 10_000):
        pass
    (line,) = path.read_text(encoding="utf-8").split("\n")[:-1]
    assert len(line) < 3000, "one write, see write(2)"
    assert len(json.loads(line)["actor"]["subject"]) == len(json.loads(line)["object"]["import_id"]) == MAX_TEXT


def test_events_are_in_the_log_at_any_level(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with audit_file(None), recorded(Action.IMPORT_DELETED, SERVICE, import_id="a"):
            pass
        with audit_file(path), recorded(Action.IMPORT_DELETED, SERVICE, import_id="b"):
            pass
    finally:
        root.setLevel(before)
    told = [record.msg for record in caplog.records if record.name == "audit"]
    assert [one["object"] for one in told if isinstance(one, dict)] == [{"import_id": "a"}, {"import_id": "b"}]
    assert [line["object"] for line in lines(path)] == [{"import_id": "b"}]


def test_a_file_that_was_moved_is_opened_anew(path: Path) -> None:
    moved = path.with_suffix(".1")
    with audit_file(path, is_direct=True):
        for number in range(2):
            with recorded(Action.IMPORT_DELETED, SERVICE, import_id=str(number)):
                pass
            if not number:
                path.rename(moved)
    assert [line["object"]["import_id"] for file in (moved, path) for line in lines(file)] == ["0", "1"]


def test_a_file_that_cannot_be_written_stops_a_start_and_later_is_told_once(tmp_path: Path, path: Path) -> None:
    for is_direct in (False, True):
        with (
            pytest.raises(AuditUnwritable, match="No such file"),
            audit_file(tmp_path / "no" / "x", is_direct=is_direct),
        ):
            raise AssertionError("not reached")
    with capture_logs() as log, audit_file(path, is_direct=True):
        path.unlink()
        path.mkdir()
        for _ in range(3):
            with recorded(Action.IMPORT_DELETED, SERVICE, import_id="lost"):
                pass
        path.rmdir()
        with recorded(Action.IMPORT_DELETED, SERVICE, import_id="kept"):
            pass
    assert [line["object"]["import_id"] for line in lines(path)] == ["kept"]
    assert [(line["event"], line["component"]) for line in log] == [
        ("a component is down", "the audit file"),
        ("a component recovered", "the audit file"),
    ]


def test_a_disk_that_hangs_delays_nothing_and_what_is_dropped_is_counted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_files, "MAX_LINES", 5)
    go_on = threading.Event()
    emit = AuditFile.emit

    def hangs(self: AuditFile, record: logging.LogRecord) -> None:
        go_on.wait(30)
        emit(self, record)

    monkeypatch.setattr(AuditFile, "emit", hangs)
    with audit_file(path):
        before = dropped_lines()
        for _ in range(20):
            with recorded(Action.IMPORT_DELETED, SERVICE, import_id="a"):
                pass
        dropped = dropped_lines() - before
        go_on.set()
    assert 14 <= dropped <= 15, "the thread has one, or none yet"
    assert len(lines(path)) == 20 - dropped


WRITER = """
import sys
from pathlib import Path
from lading.service.observe.audit.actions import Action
from lading.service.observe.audit.file import audit_file
from lading.service.observe.audit.recording import SERVICE, recorded
with audit_file(Path(sys.argv[1])):
    for number in range(int(sys.argv[3])):
        with recorded(Action.IMPORT_DELETED, SERVICE, import_id=sys.argv[2] * 200):
            pass
"""


def test_lines_of_several_processes_do_not_mix(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, str(LINES)]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert (
        sorted(line["object"]["import_id"][0] for line in lines(path)) == ["a"] * LINES + ["b"] * LINES + ["c"] * LINES
    )


# --- the list and the code --------------------------------------------------------------------------------------------


def uses() -> Iterator[str]:
    """Each mention of an action in the code, but for the list itself."""
    for module in SERVICE_FOLDER.rglob("*.py"):
        if module != LIST:
            yield from re.findall(r"\bAction\.([A-Z_]+)\b", module.read_text(encoding="utf-8"))


def test_every_action_is_recorded() -> None:
    assert set(uses()) == {action.name for action in Action}


def test_nothing_else_writes_to_the_audit_log() -> None:
    for module in SERVICE_FOLDER.rglob("*.py"):
        if module.parent != LIST.parent:
            assert not re.search(r"get_?[lL]ogger\((\"audit\"|LOGGER)\)", module.read_text(encoding="utf-8")), module


def test_the_user_without_a_name_has_an_event_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987_654)
    assert operator() == {"kind": "operator", "user": "unknown"}
