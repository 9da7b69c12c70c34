"""Chaos on MongoDB: a service of two processes, a worker beside it, a mongod that freezes, dies and steps down."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.audit.databases import MongoDatabase
from tests.chaos.harm.faults import on_mongod
from tests.chaos.harm.rig import SCALE
from tests.chaos.voyage import Store, voyage
from tests.support.servers.mongod import replica_set


@pytest.mark.timeout(SCALE.timeout + 10)
@pytest.mark.gen_test(timeout=SCALE.timeout)
async def test_kills_and_faults_lose_nothing(
    tmp_path: Path, ashore: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    if "LADING_CHAOS" not in os.environ:
        pytest.skip("make chaos runs it, or LADING_CHAOS=short")
    if SCALE.leaves_out("mongo"):
        pytest.skip("LADING_CHAOS names another store")

    def tell(text: object) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="", flush=True)  # noqa: T201

    with replica_set() as mongo:
        store = Store(
            "MongoDB",
            overrides={
                "LADING_DOCUMENTS__BACKEND": "mongo",
                "LADING_DOCUMENTS_MONGO__URI": mongo.uri,
                "LADING_DOCUMENTS_MONGO__CONNECT_TIMEOUT": "2",
                "LADING_DOCUMENTS_MONGO__TIMEOUT": "4",
            },
            service_processes=2,
            database=lambda folder: MongoDatabase(mongo.uri, "lading"),
            disks=("images", "spool", "uploads"),
            more_faults=lambda rng: on_mongod(mongo, rng, long=SCALE.is_long),
        )
        figures = await voyage(tmp_path, store, ashore, tell)
    assert not figures.violations
