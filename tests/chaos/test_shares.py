"""Three workers on one MongoDB share the imports: each is done once, and of many none has more than twice another's."""

import asyncio
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from lading.plugins.testing.origin import Origin, answer
from lading.service.models import Status
from tests.chaos.clients.sources import SMALL
from tests.chaos.harm.rig import LONG, in_thread
from tests.support.servers.mongod import ReplicaSet
from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, Client, environment, token

IMPORTS = 5000 if LONG else 600
WORKERS = 3
POSTERS = 32
TIMEOUT = 600 if LONG else 110
IMAGES = {f"/{number}.jpg": body for number, body in enumerate(SMALL)}


def finished_by(worker: ServiceProcess) -> list[str]:
    """Ids of the imports that the worker says it has finished."""
    return [line["import_id"] for line in worker.lines if line.get("event") == "import" and line["status"] == "done"]


def done(mongo: ReplicaSet, database: str) -> int:
    with mongo.client() as client:
        return client.get_database(database)["imports"].count_documents({"status": Status.DONE.value})


@pytest.mark.timeout(TIMEOUT + 10)
@pytest.mark.gen_test(timeout=TIMEOUT)
async def test_three_workers_share(
    tmp_path: Path, mongo_set: ReplicaSet, mongo_environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    limits = {"LADING_WORKER__PER_ISSUER": "64", "LADING_WORKER__PER_HOST": "64", "LADING_SERVICE__LOG_FORMAT": "json"}
    environ = environment(tmp_path, **mongo_environ, **limits, LADING_SERVICE__PORT="0")
    config = ("--config", str(tmp_path / "service.conf"))
    started = time.monotonic()
    async with Origin({path: answer(data) for path, data in IMAGES.items()}) as origin:
        with ExitStack() as stack:
            service = stack.enter_context(
                ServiceProcess(("serve", *config), {**environ, "LADING_WORKER__ENABLED": "false"})
            )
            workers = [stack.enter_context(ServiceProcess(("worker", *config), environ)) for _ in range(WORKERS)]
            await in_thread(lambda: [worker.wait_for("working") for worker in workers])
            listening = await asyncio.to_thread(service.wait_for, "listening")
            await post_all(Client(listening["address"], token()), origin)
            while await asyncio.to_thread(done, mongo_set, mongo_environ["LADING_DOCUMENTS_MONGO__DATABASE"]) < IMPORTS:
                await asyncio.sleep(0.1)
            for process in (*workers, service):
                assert await asyncio.to_thread(process.terminate) == 0
    finished = [finished_by(worker) for worker in workers]
    times = Counter(import_id for worker in finished for import_id in worker)
    assert len(times) == IMPORTS
    assert set(times.values()) == {1}, "an import was done twice"
    shares = sorted(len(worker) for worker in finished)
    with capsys.disabled():
        print(f"\n{IMPORTS} imports shared by {WORKERS} workers: {shares}; {time.monotonic() - started:.0f} s")  # noqa: T201
    assert shares[0] > 0, "a worker had nothing to do"
    if LONG:  # of a few hundred, chance may give one worker several batches more than another
        assert shares[-1] <= 2 * shares[0]


async def post_all(client: Client, origin: Origin) -> None:
    AsyncHTTPClient.configure(SimpleAsyncHTTPClient, max_clients=POSTERS)
    paths = iter(list(IMAGES) * (IMPORTS // len(IMAGES)))

    async def poster() -> None:
        for path in paths:
            response = await client.post(f"album_id=imported_album&url={origin.url(path)}")
            assert response.code == 200, response.body

    try:
        await asyncio.gather(*(poster() for _ in range(POSTERS)))
    finally:
        AsyncHTTPClient.configure(None)
