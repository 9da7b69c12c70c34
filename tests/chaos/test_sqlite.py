"""Chaos on the embedded default: a service with its own worker, and a second worker, on one SQLite file."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.audit.databases import SqliteFile
from tests.chaos.harm.rig import SCALE
from tests.chaos.voyage import FOLDERS, Store, voyage


@pytest.mark.timeout(SCALE.timeout + 10)
@pytest.mark.gen_test(timeout=SCALE.timeout)
async def test_kills_and_faults_lose_nothing(
    tmp_path: Path, ashore: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    if "LADING_CHAOS" not in os.environ:
        pytest.skip("make chaos runs it, or LADING_CHAOS=short")
    if SCALE.leaves_out("sqlite"):
        pytest.skip("LADING_CHAOS names another store")

    def tell(text: object) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="", flush=True)  # noqa: T201

    store = Store(
        "SQLite",
        overrides={},
        service_processes=1,
        database=lambda folder: SqliteFile(folder / "lading.sqlite3"),
        disks=FOLDERS,
        more_faults=lambda rng: {},
    )
    figures = await voyage(tmp_path, store, ashore, tell)
    assert not figures.violations
