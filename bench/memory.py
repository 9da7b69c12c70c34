"""What a service keeps in memory after many imports, of which three in ten are hostile.

    python -m bench.memory [--imports 20000] [--warm-up 10000]

One service process with its worker takes them all over HTTP, on SQLite and local storage. Its resident memory is looked
at after every thousand final imports; the slope is a least-squares line from the warm-up on: until then SQLite's page
caches fill, and the interpreter takes memory in steps of 1 MiB. The exit status is 1 where the slope is above 1 MB for
each 10,000 imports. Requests that are refused count as imports: they have to leave nothing too.
"""

import argparse
import asyncio
import random
import sqlite3
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from bench.service import resident_kib, service_process
from lading.plugins.testing import images
from lading.plugins.testing.origin import Behaviour, Origin, answer, head, origin_in_thread, raw, redirect, reset
from tests.support.servers.service import token

STEP = 1000
CLIENTS = 16
HOSTS = 250
GOAL_KIB = 1000
HOSTILE_SHARE = 0.3

QUICK = {
    "LADING_WORKER__ATTEMPTS": "1",
    "LADING_WORKER__PER_ISSUER": "64",
    "LADING_WORKER__PER_HOST": "64",
    "LADING_FETCH_HTTP__HEAD_TIMEOUT": "2",
    "LADING_FETCH_HTTP__MAX_BYTES": "300000",
}


def routes() -> dict[str, Behaviour]:
    """What the origin has: one good image, and much that is none."""
    good = images.jpeg(64, 48)
    return {
        "/good": answer(good),
        "/truncated": answer(good[: len(good) // 2]),
        "/page": answer(b"<html>" * 100),
        "/empty": answer(b""),
        "/long": answer(b"x" * 400_000),
        "/short": raw(head(200, {"Content-Length": "5000"}), b"x" * 100),
        "/missing": answer(b"", 404),
        "/failing": answer(b"", 500),
        "/loop": redirect("/loop"),
        "/inwards": redirect("http://10.0.0.1/a.png"),
        "/reset": reset(head(200, {"Content-Length": "5000"}), b"x"),
        "/noise": raw(bytes(range(256)) * 4),
        "/bomb": answer(images.png(20_000, 20_000)),
        "/encoded": answer(good, headers={"Content-Encoding": "gzip"}),
    }


HOSTILE_PATHS = tuple(path for path in routes() if path != "/good")
REFUSED_BODIES: tuple[Callable[[random.Random], bytes], ...] = (
    lambda _rng: b"a=1&a[b]=2",
    lambda _rng: b"a" + b"[b]" * 40,
    lambda _rng: b"%zz",
    lambda rng: b"album_id=" + bytes(rng.randrange(256) for _ in range(200)),
    lambda _rng: b"url=http://127.1/&album_id=imported_album",
    lambda _rng: b"url=http://10.0.0.1/&album_id=imported_album",
    lambda rng: f"url=gopher://{rng.random()}/&album_id=imported_album".encode(),
    lambda rng: f"album_id={rng.random()}&url=http://x/".encode(),
    lambda _rng: b"x=" + b"y" * 300_000,
)


class Driver:
    """Sends imports, and knows how many the service has accepted.

    Args:
        origin: the base URL of the origin, without its host.
        seed: of what is sent.
    """

    def __init__(self, port: int, origin_port: int, seed: int = 1) -> None:
        self._port = port
        self._origin_port = origin_port
        self._rng = random.Random(seed)  # noqa: S311  # the same mix each time
        self._token = token()
        self.statuses: Counter[int] = Counter()

    @property
    def accepted(self) -> int:
        """Requests that were answered with 200."""
        return self.statuses[200]

    async def send(self, count: int) -> None:
        """Send so many requests, over a few connections at once."""
        bodies = iter([self._body() for _ in range(count)])
        await asyncio.gather(*(self._client(bodies) for _ in range(CLIENTS)))

    def _body(self) -> bytes:
        rng = self._rng
        path = "/good"
        if rng.random() < HOSTILE_SHARE:
            if rng.random() < 0.4:
                return rng.choice(REFUSED_BODIES)(rng)
            path = rng.choice(HOSTILE_PATHS)
        url = f"http://127.0.1.{rng.randrange(1, HOSTS)}:{self._origin_port}{path}?{rng.random()}"
        return f"album_id=imported_album&filename={rng.random()}.jpg&url={quote(url, safe='')}".encode()

    async def _client(self, bodies: Iterator[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for body in bodies:
                writer.write(
                    f"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._token}\r\n"
                    f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                answer_head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(answer_head.partition("content-length: ")[2].partition("\r\n")[0])
                await reader.readexactly(length)
                self.statuses[int(answer_head.split()[1])] += 1
        finally:
            writer.close()


async def final_imports(database: Path, count: int) -> Counter[str]:
    """Wait until so many imports are final; what became of them."""
    while True:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
            rows = connection.execute(
                "SELECT coalesce(json_extract(error, '$.code'), status), count(*) FROM imports "
                "WHERE status IN ('done', 'failed') GROUP BY 1"
            ).fetchall()
        outcomes = Counter(dict(rows))
        if outcomes.total() >= count:
            return outcomes
        await asyncio.sleep(0.2)


async def measure(pid: int, driver: Driver, database: Path, imports: int) -> tuple[list[int], Counter[str]]:
    """KiB in memory after every ``STEP`` requests, and what became of all."""
    sizes = []
    outcomes: Counter[str] = Counter()
    for _ in range(imports // STEP):
        await driver.send(STEP)
        outcomes = await final_imports(database, driver.accepted)
        sizes.append(resident_kib(pid))
        print(f"{len(sizes) * STEP:8} {sizes[-1]:9} KiB", flush=True)
    return sizes, outcomes


def main() -> int:
    """Measure, print the rows, and say whether the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imports", type=int, default=20_000)
    parser.add_argument("--warm-up", type=int, default=10_000)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        origin_in_thread(Origin(routes(), host="0.0.0.0", lifetime=3600)) as origin,  # noqa: S104  # all of 127.0.0.0/8
        service_process(Path(directory), **QUICK) as (process, port),
    ):
        driver = Driver(port, origin.port)
        database = Path(directory) / "lading.sqlite3"
        sizes, outcomes = asyncio.run(measure(process.process.pid, driver, database, arguments.imports))
    steady = sizes[arguments.warm_up // STEP :]
    slope = statistics.linear_regression(range(len(steady)), steady).slope * 10_000 / STEP
    print(f"answers: {dict(driver.statuses)}")
    print(f"outcomes: {dict(outcomes)}")
    print(f"growth after {arguments.warm_up}: {slope:.0f} KiB for each 10,000 imports")
    return int(slope > GOAL_KIB)


if __name__ == "__main__":
    sys.exit(main())
