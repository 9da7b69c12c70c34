"""What ordinary POSTs take beside 500 idle, 200 slow-head and 100 slow-body clients, against the same without them.

    python -m bench.slow_clients [--rounds 6] [--posts 2500]

Quiet and crowded rounds follow each other on one service process; the slow clients are in a process of their own, and
come back when the service ends their connections. Each row is of all rounds of its kind; the ratio is crowded to quiet,
and the exit status 1 where that of the 99th percentiles is above 3.
"""

import argparse
import asyncio
import contextlib
import http.client
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.service import service_process
from tests.support.servers.service import token

IDLE, SLOW_HEAD, SLOW_BODY = 500, 200, 100
GOAL = 3.0
HEAD = b"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\n"
BODY = "album_id=imported_album&filename=a.jpg&metadata[a]=b&url=http%3A%2F%2Forigin.example%2Fa.jpg"


async def slow_client(port: int, beginning: bytes, again: bytes) -> None:
    """Hold a connection, sending a little each second, and open another when it is ended; until cancelled."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            ended = asyncio.create_task(reader.read())
            try:
                writer.write(beginning)
                while not ended.done():
                    await asyncio.wait({ended}, timeout=1.0)
                    if again:
                        writer.write(again)
            finally:
                ended.cancel()
                await asyncio.gather(ended, return_exceptions=True)
                writer.close()
        await asyncio.sleep(0.05)


async def crowd(port: int) -> None:
    """All slow clients, each time a line comes on standard input and until the next one comes."""
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        tasks = [
            asyncio.create_task(slow_client(port, beginning, again))
            for count, beginning, again in (
                (IDLE, b"", b""),
                (SLOW_HEAD, HEAD, b"A: b\r\n"),
                (SLOW_BODY, HEAD + b"Content-Length: 10000\r\n\r\n", b"a"),
            )
            for _ in range(count)
        ]
        await asyncio.sleep(2)
        print("crowded", flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(1)
        print("quiet", flush=True)


def post_all(connection: http.client.HTTPConnection, count: int, headers: dict[str, str]) -> list[float]:
    """Milliseconds that each of so many POSTs took, one after another."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        connection.request("POST", "/api/v1/imports", BODY, headers)
        response = connection.getresponse()
        response.read()
        took.append((time.perf_counter() - began) * 1000)
        if response.status != 200:
            raise RuntimeError(f"an ordinary POST was answered with {response.status}")
    return took


def measure(port: int, rounds: int, posts: int) -> dict[str, list[float]]:
    """Milliseconds of the POSTs of all rounds, by kind."""
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/x-www-form-urlencoded"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    command = [sys.executable, "-m", "bench.slow_clients", "--crowd", str(port)]
    took: dict[str, list[float]] = {"quiet": [], "crowded": []}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603  # our own
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the slow clients have no pipes")
        post_all(connection, posts, headers)
        for _ in range(rounds):
            took["quiet"] += post_all(connection, posts, headers)
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()
            took["crowded"] += post_all(connection, posts, headers)
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()
        child.stdin.close()
    connection.close()
    return took


def percentile(values: list[float], percent: int) -> float:
    """The value that so many of a hundred do not exceed."""
    return statistics.quantiles(values, n=100)[percent - 1]


def main() -> int:
    """Measure, print the rows, and say whether the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--posts", type=int, default=2500, help="in each round")
    parser.add_argument("--crowd", type=int, metavar="PORT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192) if most > 0 else 8192, most))
    if arguments.crowd:
        asyncio.run(crowd(arguments.crowd))
        return 0
    with (
        tempfile.TemporaryDirectory() as directory,
        service_process(Path(directory), LADING_WORKER__ENABLED="false") as (_, port),
    ):
        took = measure(port, arguments.rounds, arguments.posts)
    print(f"{'':10}{'median':>10}{'p90':>10}{'p99':>10}{'max':>10}  ms")
    rows = {kind: [percentile(values, n) for n in (50, 90, 99)] + [max(values)] for kind, values in took.items()}
    for kind, row in rows.items():
        print(f"{kind:10}" + "".join(f"{value:10.2f}" for value in row))
    ratios = [crowded / quiet for crowded, quiet in zip(rows["crowded"], rows["quiet"], strict=True)]
    print(f"{'ratio':10}" + "".join(f"{ratio:10.2f}" for ratio in ratios))
    return int(ratios[2] > GOAL)


if __name__ == "__main__":
    sys.exit(main())
