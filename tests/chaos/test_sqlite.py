"""Chaos on the embedded default: a service with its own worker, and a second worker, on one SQLite file."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.rig import check, hurting, kill_and_start, rounds

LONG = os.environ.get("LADING_CHAOS") == "long"
KILLS = 200 if LONG else 12
TIMEOUT = 1500 if LONG else 110


def done_ids(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as database:
        return {row[0] for row in database.execute("SELECT id FROM imports WHERE status = 'done'")}


@pytest.mark.timeout(TIMEOUT + 10)
@pytest.mark.gen_test(timeout=TIMEOUT)
async def test_kills_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    async with hurting(tmp_path, {}, ("service", "worker"), seed=1) as (deployment, clients, rng):

        async def kill_a_child() -> None:
            deployment.kill_a_detector_child(rng)

        hurts = {
            "services killed": kill_and_start(deployment, "service", rng),
            "workers killed": kill_and_start(deployment, "worker", rng),
            "detector children killed": kill_a_child,
        }
        await rounds(clients, rng, hurts, KILLS)
        documents = await clients.finished()
    check(clients, documents, tmp_path / "images", done_ids(tmp_path / "lading.sqlite3"))
    clients.figures.seconds = time.monotonic() - started
    with capsys.disabled():
        print(f"\nchaos on SQLite: {clients.figures}")  # noqa: T201
