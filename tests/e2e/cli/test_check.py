"""``lading check``: what it prints of a configuration that works, of one that does not, and of one in doubt."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from lading.service.cli.main import main
from tests.support.servers.processes import lading
from tests.support.servers.service import CONF, SECRET

NO_WORKER = {"LADING_WORKER__ENABLED": "false"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a configuration that declares issuers."""
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    return tmp_path


def test_check_says_that_all_is_well_and_leaves_nothing_behind(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    printed = lading("check", "--config", "service.conf", cwd=folder)
    place = folder / "lading-data" / "lading.sqlite3"
    assert (printed.status, printed.stderr) == (0, "")
    ok, descriptors = printed.stdout.splitlines()
    assert ok == f"ok: documents in sqlite {place}, images in local"
    assert re.fullmatch(r"file descriptors: up to \d+ for a process, of \d+", descriptors)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("overrides", "bounds"),
    [
        ({}, "48 running imports, 15 of an issuer, 6 fetches from a host, 21 webhook requests to a receiver"),
        (NO_WORKER, "21 webhook requests to a receiver"),
        ({**NO_WORKER, "LADING_WEBHOOKS__ENABLED": "false"}, "no imports, and no webhook requests"),
    ],
)
def test_check_adds_up_what_each_process_has_for_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, str], bounds: str
) -> None:
    environ = {
        "LADING_SERVICE__PROCESSES": "3",
        "LADING_WORKER__CONCURRENCY": "16",
        "LADING_WORKER__PER_ISSUER": "5",
        "LADING_WORKER__PER_HOST": "2",
        "LADING_WEBHOOKS__PER_HOST": "7",
        **overrides,
    }
    monkeypatch.chdir(folder)
    printed = CliRunner().invoke(main, ["check", "--config", "service.conf"], env=environ)
    assert printed.output.splitlines()[-1] == f"3 processes together: up to {bounds}"


def test_check_refuses_what_serve_refuses_and_warns_of_limits_without_effect(folder: Path) -> None:
    environ = {"LADING_DOCUMENTS__BACKEND": "memory", "LADING_SERVICE__PROCESSES": "2", "LADING_FETCH__DEADLINE": "60"}
    fault = "LADING_DOCUMENTS__BACKEND: [documents] backend: is memory: several processes cannot share it"
    served = lading("serve", cwd=folder, environ=environ)
    assert (served.status, served.stderr) == (1, f"Error: {fault}\n")
    checked = lading("check", cwd=folder, environ=environ)
    warning, told = checked.stderr.splitlines()
    assert (checked.status, told) == (1, f"fault: {fault}")
    assert warning.startswith("warning: LADING_FETCH__DEADLINE: [fetch] deadline: is shorter than total_timeout of")


def test_check_tells_every_fault_of_a_configuration_and_no_secret(folder: Path) -> None:
    (folder / "service.conf").write_text(f"{CONF}[service.x]\nsecret = {SECRET}\n[worker]\nlease = 0\nattemps = 3\n")
    environ = {"LADING_STORAGE__BACKEND": "locl", "LADING_FETCH_HTTP__MAX_BYTES": "plenty"}
    printed = lading("check", "--config", "service.conf", cwd=folder, environ=environ)
    assert (printed.status, printed.stdout) == (1, "")
    faults = printed.stderr.splitlines()
    assert all(fault.startswith("fault: ") for fault in faults)
    for named in ("[worker] lease", "did you mean 'attempts'?", "[service.x]", "'local'?", "[fetch.http] max_bytes"):
        assert len([fault for fault in faults if named in fault]) == 1, named
    assert len(faults) == 5
    assert SECRET not in printed.stderr


def test_check_tries_documents_storage_and_temporary_files_and_tells_all_that_fails(folder: Path) -> None:
    (folder / "a-file").touch()
    (folder / "no.sqlite3").write_text("no database, but text that is longer than the header of one\n" * 100)
    environ = {
        "LADING_DOCUMENTS_SQLITE__PATH": "no.sqlite3",
        "LADING_STORAGE_LOCAL__PATH": "a-file/images",
        "LADING_WORKER__SPOOL_DIRECTORY": "nowhere",
        "LADING_UPLOADS__DIRECTORY": "a-file/uploads",
        "LADING_THUMBNAILS__DIRECTORY": "a-file/thumbnails",
        "LADING_AUDIT__FILE": "missing/audit.jsonl",
    }
    printed = lading("check", cwd=folder, environ=environ)
    assert (printed.status, printed.stdout) == (1, "")
    documents, storage, spool, uploads, thumbnails, audit = printed.stderr.splitlines()
    assert documents.startswith("fault: LADING_DOCUMENTS_SQLITE__PATH: [documents.sqlite] path: ")
    assert str(folder / "no.sqlite3") in documents
    assert storage.startswith("fault: [storage] local: ")
    assert str(folder / "a-file" / "images") in storage
    assert spool.startswith("fault: [worker] spool_directory: ")
    assert str(folder / "nowhere") in spool
    assert uploads.startswith("fault: [uploads] directory: ")
    assert str(folder / "a-file" / "uploads") in uploads
    assert thumbnails.startswith("fault: [thumbnails] directory: ")
    assert str(folder / "a-file" / "thumbnails") in thumbnails
    assert audit.startswith(f"fault: [audit] file: {folder}/missing/audit.jsonl cannot be written: ")
