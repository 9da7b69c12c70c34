"""Chaos on MongoDB: a service of two processes, a worker beside it, a mongod that freezes, dies and steps down."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from service.models import Status
from tests.chaos.rig import Deployment, Hurt, check, hurting, in_thread, kill_and_start, rounds
from tests.chaos.test_sqlite import KILLS, LONG, TIMEOUT
from tests.support.mongod import ReplicaSet, replica_set

FREEZES = (5.0, 30.0) if LONG else (5.0,)
ENVIRON = {
    "LADING_DOCUMENTS__BACKEND": "mongo",
    "LADING_DOCUMENTS_MONGO__CONNECT_TIMEOUT": "2",
    "LADING_DOCUMENTS_MONGO__TIMEOUT": "4",
}


def done_ids(mongo: ReplicaSet) -> set[str]:
    with mongo.client() as client:
        found = client.get_database("lading")["imports"].find({"status": Status.DONE.value}, {"_id": True})
        return {document["_id"] for document in found}


def freeze(mongo: ReplicaSet, seconds: float) -> Hurt:
    async def hurt() -> None:
        mongo.node.pause()
        try:
            await asyncio.sleep(seconds)
        finally:
            mongo.node.resume()

    return hurt


def restart(mongo: ReplicaSet) -> Hurt:
    async def hurt() -> None:
        await in_thread(mongo.restart)
        await in_thread(mongo.wait_for_primary)

    return hurt


def step_down(mongo: ReplicaSet) -> Hurt:
    async def hurt() -> None:
        await in_thread(mongo.step_down)
        await in_thread(mongo.wait_for_primary)

    return hurt


def kills(deployment: Deployment, rng: random.Random) -> dict[str, Hurt]:
    async def kill_a_child() -> None:
        deployment.kill_a_detector_child(rng)

    async def kill_a_served_process() -> None:
        deployment.kill_a_served_process(rng)

    return {
        "processes of a service killed": kill_a_served_process,
        "services killed": kill_and_start(deployment, "service", rng),
        "workers killed": kill_and_start(deployment, "worker", rng),
        "detector children killed": kill_a_child,
    }


@pytest.mark.timeout(TIMEOUT + 10)
@pytest.mark.gen_test(timeout=TIMEOUT)
async def test_kills_and_outages_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    with replica_set() as mongo:
        environ = {**ENVIRON, "LADING_DOCUMENTS_MONGO__URI": mongo.uri}
        names = ("service", "worker")
        async with hurting(tmp_path, environ, names, seed=2, service_processes=2) as (deployment, clients, rng):
            await rounds(clients, rng, kills(deployment, rng), KILLS)
            outages = {f"freezes of {seconds:.0f} s": freeze(mongo, seconds) for seconds in FREEZES}
            outages |= {"restarts of mongod": restart(mongo), "step-downs": step_down(mongo)}
            for name, outage in outages.items():
                await rounds(clients, rng, {name: outage}, 3 if LONG else 1)
            documents = await clients.finished()
        check(clients, documents, tmp_path / "images", done_ids(mongo))
    clients.figures.seconds = time.monotonic() - started
    with capsys.disabled():
        print(f"\nchaos on MongoDB: {clients.figures}")  # noqa: T201
