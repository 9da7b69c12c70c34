"""``lading retention``: what would go, and its removal, on a database without a service."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lading.service.cli.main import main
from lading.service.documents.lease import Lease
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.images.retention import removing
from lading.service.models import Import, Status
from lading.service.models.clock import SystemClock
from tests.support.plugins.scripted import make_import

CONF = """
[documents.sqlite]
path = {0}/lading.db
[storage.local]
path = {0}/images
[retention]
failed = 3600
album_exceptions = kept=0
rest = 0
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "service.conf").write_text(CONF.format(tmp_path), encoding="utf-8")
    return tmp_path


def run(path: Path, *arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, ["retention", *arguments], env={"LADING_CONFIG": f"{path}/service.conf", **environ})


def filled(path: Path) -> list[Import]:
    """Two old imports of one issuer, one of another, and those that stay: a young one, a done one, a kept album's."""
    clock = SystemClock()
    old = clock.now() - timedelta(days=3)
    documents = [
        make_import(status=status, issuer=issuer, created_at=moment, updated_at=moment, params=params)
        for status, issuer, moment, params in (
            (Status.FAILED, "one", old, {}),
            (Status.FAILED, "one", old, {}),
            (Status.FAILED, "two", old, {}),
            (Status.FAILED, "one", clock.now(), {}),
            (Status.FAILED, "one", old, {"album_id": "kept"}),
            (Status.DONE, "one", old, {}),
        )
    ]

    async def add() -> None:
        store = SqliteDocumentStore(path / "lading.db", clock)
        await store.open()
        await asyncio.gather(*map(store.add, documents))
        await store.close()

    asyncio.run(add())
    return documents


def left(path: Path, documents: list[Import]) -> int:
    async def count() -> int:
        store = SqliteDocumentStore(path / "lading.db", SystemClock())
        await store.open()
        found = [await store.get(one.id) for one in documents]
        await store.close()
        return len(found) - found.count(None)

    return asyncio.run(count())


def test_a_dry_run_says_how_many_and_run_removes_them(path: Path) -> None:
    documents = filled(path)
    result = run(path, "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "would remove: 3 imports, whose images (0 bytes) are kept in their storage",
        "",
        "STATE   ISSUER  IMPORTS  BYTES  OLDEST",
        "failed  one     2        0      3d",
        "failed  two     1        0      3d",
    ]
    told = json.loads(run(path, "--dry-run", "--json", LADING_RETENTION__IMAGES="delete").output)
    assert (told["images"], told["imports"], told["bytes"], len(told["groups"])) == ("delete", 3, 0, 2)
    assert told["groups"][0]["oldest"] == documents[0].updated_at.isoformat(timespec="milliseconds")
    assert left(path, documents) == 6
    result = run(path, "run")
    assert (result.exit_code, result.stdout) == (0, "removed: 3 imports (0 bytes of images)\n")
    assert left(path, documents) == 3
    assert run(path, "--dry-run").output.startswith("would remove: 0 imports, ")


def test_what_is_not_to_be_done_is_refused(path: Path) -> None:
    for arguments, status, text in (
        ((), 2, "--dry-run, or the command 'run'"),
        (("--json",), 2, "--dry-run, or the command 'run'"),
        (("--dry-run", "run"), 2, "do not go with a command"),
    ):
        result = run(path, *arguments)
        assert (result.exit_code, text in result.output) == (status, True), result.output
    off = run(path, "run", LADING_RETENTION__FAILED="")
    assert (off.exit_code, "[retention] keeps everything" in off.output) == (1, True)


def test_a_removal_by_another_process_is_told(path: Path) -> None:
    filled(path)

    async def take() -> bool:
        store = SqliteDocumentStore(path / "lading.db", SystemClock())
        await store.open()
        taken = await Lease(store, removing.TASK, removing.LEASE).take()
        await store.close()
        return taken

    assert asyncio.run(take())
    result = run(path, "run")
    assert (result.exit_code, "another process removes old imports" in result.output) == (1, True)
