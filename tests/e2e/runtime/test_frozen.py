"""A service whose processes stand still, as in a container's pause: what that costs, and that it condemns nothing."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from lading.plugins.testing.images import jpeg, slow_gif, slow_png
from lading.plugins.testing.origin import Exchange, Origin, answer, head, origin_in_thread
from tests.e2e.runtime.test_processes import Deployment, client_of, deployment  # noqa: F401  # a fixture
from tests.support.servers.processes import HttpClient, ServiceProcess, wait_until

PAUSE = 5.0
"""Longer than a decoding process may be without CPU time, and shorter than a lease."""
OPTIONS = {
    "LADING_WORKER__LEASE": "60",
    "LADING_WORKER__ATTEMPTS": "1",
    "LADING_WORKER__RETRY_BASE": "0.1",
    "LADING_DETECT_PILLOW__WALL_LIMIT": "3",
    "LADING_DETECT_PILLOW__CPU_LIMIT": "60",
}
GOOD = 12


def freeze(service: ServiceProcess, seconds: float) -> None:
    """Stop every process of the service, and let all go on."""
    tree = [service.process.pid, *service.children]
    for pid in tree:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in tree:
        os.kill(pid, signal.SIGCONT)


def posted(client: HttpClient, origin: Origin, *paths: str) -> list[str]:
    return [client.accepted(f"album_id=imported_album&url={quote(origin.url(path), safe='')}") for path in paths]


def outcomes(client: HttpClient, import_ids: list[str]) -> Counter[tuple[str, str | None, int]]:
    """How many imports ended how, with which error, after how many attempts."""
    documents = [client.final(import_id, 60) for import_id in import_ids]
    return Counter(
        (document["status"], document["error"] and document["error"]["code"], document["attempts"])
        for document in documents
    )


def decoders(service: ServiceProcess) -> set[int]:
    return {
        pid
        for pid in service.children
        if b"lading.plugins.detectors.pillow.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }


@contextmanager
def busy_machine() -> Iterator[None]:
    """As many processes as the machine has cores, each of which would have one for itself."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def test_a_pause_amid_decoding_condemns_no_image(deployment: Deployment) -> None:  # noqa: F811
    with origin_in_thread(Origin(otherwise=answer(slow_gif(25)), lifetime=300)) as origin:
        service = deployment.start("serve", **OPTIONS)
        client = client_of(service)
        import_ids = posted(client, origin, *(f"/{number}.gif" for number in range(GOOD)))
        wait_until(lambda: deployment.statuses()["done"] >= 1)
        freeze(service, PAUSE)
        assert outcomes(client, import_ids) == {("done", None, 1): GOOD}
        # A busy machine pauses processes too, for less.
        wait_until(lambda: any(line["seconds"] >= PAUSE - 1 for line in service.logged("the process was paused")))


def test_a_pause_amid_fetches_uses_up_no_attempt(deployment: Deployment) -> None:  # noqa: F811
    data = jpeg()
    has_given_up = threading.Event()

    async def behave(exchange: Exchange) -> bool:
        if has_given_up.is_set():
            return await answer(data)(exchange)
        await exchange.send(head(headers={"Content-Length": str(len(data))}) + data[:100])
        while not has_given_up.is_set():
            await asyncio.sleep(0.02)
        return False

    with origin_in_thread(Origin(otherwise=behave, lifetime=300)) as origin:
        service = deployment.start("serve", **OPTIONS)
        client = client_of(service)
        import_ids = posted(client, origin, *(f"/{number}.jpg" for number in range(GOOD)))
        wait_until(lambda: len(origin.requests) == GOOD)
        threading.Timer(PAUSE / 2, has_given_up.set).start()
        freeze(service, PAUSE)
        assert outcomes(client, import_ids) == {("done", None, 1): GOOD}


def test_decoding_processes_that_stand_still_alone_are_replaced(deployment: Deployment) -> None:  # noqa: F811
    with origin_in_thread(Origin(otherwise=answer(jpeg()), lifetime=300)) as origin:
        service = deployment.start("serve", **OPTIONS)
        client = client_of(service)
        (first,) = posted(client, origin, "/first.jpg")
        client.final(first)
        stopped = decoders(service)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        import_ids = posted(client, origin, *(f"/{number}.jpg" for number in range(GOOD)))
        assert outcomes(client, import_ids) == {("done", None, 1): GOOD}
        assert stopped.isdisjoint(decoders(service))


def test_on_a_busy_machine_good_images_are_done_and_costly_ones_are_refused(deployment: Deployment) -> None:  # noqa: F811
    costly, good = answer(slow_png(600_000)), answer(slow_gif(10))
    limits = {"CPU_LIMIT": "1", "PROCESSES": "1"}
    with busy_machine(), origin_in_thread(Origin({"/costly.png": costly}, otherwise=good, lifetime=300)) as origin:
        options = {f"LADING_DETECT_PILLOW__{name}": value for name, value in limits.items()}
        service = deployment.start("serve", **OPTIONS | options)
        client = client_of(service)
        (first,) = posted(client, origin, "/first.gif")
        client.final(first)
        (decoder,) = decoders(service)
        os.sched_setscheduler(decoder, os.SCHED_IDLE, os.sched_param(0))
        import_ids = posted(client, origin, *(f"/{number}.gif" for number in range(4)))
        assert outcomes(client, import_ids) == {("done", None, 1): 4}
        assert outcomes(client, posted(client, origin, "/costly.png")) == {("failed", "image_too_complex", 1): 1}
