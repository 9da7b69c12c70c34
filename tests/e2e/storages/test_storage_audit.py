"""``lading storage audit`` as an operator uses it, on real files."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from lading.service.models import Import
from tests.e2e.storages.test_storage_copy import files, fill, two_disks
from tests.support.images import noise
from tests.support.plugins.scripted import make_import
from tests.support.servers.processes import Finished, lading
from tests.support.servers.service import CONF, environment

AUDIT = ("storage", "audit", "--config", "service.conf")
DAY = 86400


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.one_in(3))])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    documents = request.getfixturevalue("mongo_environ") if request.param == "mongo" else {}
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    return environment(tmp_path, **two_disks(tmp_path, **documents))


async def audit(folder: Path, environ: dict[str, str], *arguments: str) -> Finished:
    return await asyncio.to_thread(lading, *AUDIT, *arguments, cwd=folder, environ=environ)


def orphan(folder: Path, *, age: float = 2 * DAY) -> Path:
    """A file of no import, written so long ago."""
    path = folder / make_import().storage_key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"orphan")
    os.utime(path, times=(time.time() - age, time.time() - age))
    return path


async def damaged(folder: Path, environ: dict[str, str]) -> list[Import]:
    """Four images in the old storage: the first is lost, the second cut, the third changed."""
    documents = await fill(folder, environ, 4)
    paths = [folder / "old" / document.storage_key for document in documents]
    paths[0].unlink()
    paths[1].write_bytes(b"x")
    paths[2].write_bytes(noise(52, 99))
    return documents


@pytest.mark.gen_test(timeout=100)
async def test_a_clean_storage_and_every_kind_of_finding(tmp_path: Path, environ: dict[str, str]) -> None:
    clean = await audit(tmp_path, environ)
    assert (clean.status, clean.stderr) == (0, "")
    assert clean.stdout == (
        "new: 0 objects, 0 images by the documents; nothing wrong\n"
        "old: 0 objects, 0 images by the documents; nothing wrong\n"
    )
    lost, cut, changed, _ = await damaged(tmp_path, environ)
    stray = orphan(tmp_path / "old")
    (tmp_path / "old" / "notes.txt").write_text("not an image")
    found = await audit(tmp_path, environ, "--storage", "old", "--json", "--verify")
    assert (found.status, found.stderr) == (1, "")
    *findings, last = [json.loads(line) for line in found.stdout.splitlines()]
    assert {(one["kind"], one["key"], one["image_id"]) for one in findings} == {
        ("missing", lost.storage_key, lost.image_id),
        ("size", cut.storage_key, cut.image_id),
        ("content", changed.storage_key, changed.image_id),
        ("unknown", str(stray.relative_to(tmp_path / "old")), None),
        ("foreign", "notes.txt", None),
    }
    assert {one["storage"] for one in findings} == {"old"}
    kinds = dict.fromkeys(("missing", "size", "content", "unknown", "foreign"), 1)
    summary = {"objects": 5, "images": 4, "findings": kinds, "deleted": 0, "remaining": 5}
    assert last == {"storage": "old", "summary": summary}


@pytest.mark.gen_test(timeout=100)
async def test_orphans_go_when_they_are_old_enough(tmp_path: Path, environ: dict[str, str]) -> None:
    await fill(tmp_path, environ, 3)
    environ = {**environ, "LADING_AUDIT__FILE": str(tmp_path / "audit.jsonl")}
    old, young = orphan(tmp_path / "old"), orphan(tmp_path / "old", age=60)
    told = await audit(tmp_path, environ)
    assert told.status == 1
    assert old.exists()
    done = await audit(tmp_path, environ, "--delete-orphans")
    assert (done.status, done.stderr) == (1, "")
    assert (old.exists(), young.exists()) == (False, True)
    assert "2 unknown; 1 deleted" in done.stdout
    lines = {line.split()[2]: line for line in done.stdout.splitlines() if line.startswith("old: unknown")}
    assert lines[str(old.relative_to(tmp_path / "old"))].endswith(", deleted")
    assert lines[str(young.relative_to(tmp_path / "old"))].endswith(", too young to be deleted")
    assert (await audit(tmp_path, environ, "--delete-orphans", "--grace", "30s")).status == 0
    assert not young.exists()
    events = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [(one["event"], one["object"], one["objects"], one["actor"]["kind"]) for one in events]
    assert found == [("orphans.deleted", {"storage": "old"}, 1, "operator")] * 2, "the first command deletes nothing"
    assert len(files(tmp_path / "old")) == 3
    assert (await audit(tmp_path, environ)).status == 0


@pytest.mark.gen_test(timeout=100)
async def test_what_a_move_leaves_behind_is_cleared_away(tmp_path: Path, environ: dict[str, str]) -> None:
    documents = await fill(tmp_path, environ, 5)
    copy = ("storage", "copy", "--config", "service.conf", "--from", "old", "--to", "new")
    assert (await asyncio.to_thread(lading, *copy, cwd=tmp_path, environ=environ)).status == 0
    assert (await audit(tmp_path, environ)).status == 0, "so young a copy may be a move that is under way"
    (tmp_path / "new" / documents[0].storage_key).unlink()
    deleted: set[str] = set()
    kept = ""
    while len(deleted) < 4 or not kept:  # an audit leaves out the copies that are younger than a second
        done = await audit(tmp_path, environ, "--storage", "old", "--delete-orphans", "--grace", "1s")
        copies = [line for line in done.stdout.splitlines() if line.startswith("old: copy")]
        deleted |= {line.split()[2] for line in copies if line.endswith(", deleted")}
        kept = next((line for line in copies if "which does not have it" in line), "")
        assert done.status == bool(copies)
    only, *others = documents
    assert deleted == {document.storage_key for document in others}
    assert kept.split()[2] == only.storage_key
    assert files(tmp_path / "old").keys() == {only.id}, "the only copy there is"


@pytest.mark.gen_test(timeout=60)
async def test_the_wrong_documents_delete_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    stray = orphan(tmp_path / "old")
    done = await audit(tmp_path, environ, "--delete-orphans")
    assert done.status == 1
    assert done.stderr.startswith("Error: 1 objects in old are unknown to the documents, and 0 are known")
    assert stray.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--storage", "nowhere"), 1, "names no storage 'nowhere'"),
        (("--grace", "soon"), 2, "'soon' is not a duration"),
    ],
)
def test_what_it_refuses(tmp_path: Path, arguments: tuple[str, ...], status: int, message: str) -> None:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    done = lading(*AUDIT, *arguments, cwd=tmp_path, environ=environment(tmp_path, **two_disks(tmp_path)))
    assert (done.status, done.stdout) == (status, "")
    assert message in done.stderr
