"""Chaos on MongoDB and NATS: a service of two processes, a worker beside it, a broker that is harmed too."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.audit.databases import MongoDatabase
from tests.chaos.harm.faults import BrokerFaults
from tests.chaos.harm.rig import SCALE
from tests.chaos.voyage import Store, voyage
from tests.support.servers.mongod import replica_set
from tests.support.servers.programs.nats_server import nats_server


@pytest.mark.timeout(SCALE.timeout + 10)
@pytest.mark.gen_test(timeout=SCALE.timeout)
async def test_kills_and_faults_lose_nothing(
    tmp_path: Path, ashore: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    if "LADING_CHAOS" not in os.environ:
        pytest.skip("make chaos runs it, or LADING_CHAOS=short")
    if SCALE.leaves_out("nats"):
        pytest.skip("LADING_CHAOS names another store")

    def tell(text: object) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="", flush=True)  # noqa: T201

    with replica_set() as mongo, nats_server() as broker:
        harm = BrokerFaults(broker, SCALE.is_long)
        store = Store(
            "MongoDB and NATS",
            overrides={
                "LADING_DOCUMENTS__BACKEND": "mongo",
                "LADING_DOCUMENTS_MONGO__URI": mongo.uri,
                "LADING_DOCUMENTS_MONGO__CONNECT_TIMEOUT": "2",
                "LADING_DOCUMENTS_MONGO__TIMEOUT": "4",
                "LADING_WORKER__DISPATCH": "nats",
                "LADING_NATS__SERVERS": broker.url,
            },
            service_processes=2,
            database=lambda folder: MongoDatabase(mongo.uri, "lading"),
            disks=(),
            more_faults=lambda rng: {"freezes of the broker": harm.freeze, "stores of the broker deleted": harm.empty},
            more_kills={"brokers": harm.kill},
        )
        figures = await voyage(tmp_path, store, ashore, tell)
    assert not figures.violations
