"""Accepted POSTs a second, and what they take, against a bare handler that keeps nothing (``bench.bare``).

    python -m bench.accept [--seconds 4] [--rounds 5] [--connections 1 32 256] [--backends sqlite mongo]

Everything is on loopback and takes turns within each round. The load is wrk (Debian's package). Each row is the median
of the rounds with the smallest and largest; the ratio is that of the medians to the bare handler's at as many
connections.
"""

import argparse
import re
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.serving import free_port, listening, tool
from tests.support.mongod import replica_set
from tests.support.service import CONF, environment, token

BODY = (
    "album_id=imported_album&filename=image123_asdasd.JpG&metadata[attachmentId]=00P24000003vSXsEAM"
    "&url=http%3A%2F%2Florempixel.com%2F100%2F100%2F"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of wrk saw.

    Attributes:
        rate: answers a second.
        p50, p99: milliseconds.
        errors: answers other than 200, and broken connections.
    """

    rate: float
    p50: float
    p99: float
    errors: int


def script(directory: Path) -> Path:
    """What wrk sends."""
    path = directory / "post.lua"
    path.write_text(
        f"""wrk.method = "POST"
wrk.body = "{BODY}"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "Bearer {token()}"
""",
        encoding="ascii",
    )
    return path


def load(port: int, lua: Path, connections: int, seconds: float) -> Sample:
    """Run wrk once."""
    command = [
        tool("wrk"),
        "-t1",
        f"-c{connections}",
        f"-d{round(seconds)}s",
        "--latency",
        "--timeout",
        "10s",
        "-s",
        str(lua),
    ]
    url = f"http://127.0.0.1:{port}/api/v1/imports"
    said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout  # noqa: S603  # our own
    errors = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", said)))
    errors += sum(sum(map(int, re.findall(r"\d+", line))) for line in re.findall(r"Socket errors:.*", said))
    return Sample(_number(r"Requests/sec:\s+([\d.]+)", said), _latency("50", said), _latency("99", said), errors)


def _number(pattern: str, said: str) -> float:
    found = re.search(pattern, said)
    if found is None:
        raise RuntimeError(f"wrk said something unexpected:\n{said}")
    return float(found[1])


def _latency(percent: str, said: str) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", said)
    if found is None:
        raise RuntimeError(f"wrk said something unexpected:\n{said}")
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def measure(backends: Sequence[str], connections: Sequence[int], seconds: float, rounds: int) -> None:
    """Measure in turn, and print the rows."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        ports = {"bare": stack.enter_context(listening(["bench.bare", str(port)], port))}
        for backend in backends:
            ports[backend] = port = free_port()
            overrides = {
                "LADING_SERVICE__PORT": str(port),
                "LADING_WORKER__ENABLED": "false",
                "LADING_WORKER__BACKLOG": "10000000",
                "LADING_SERVICE__LOG_LEVEL": "warning",
                "LADING_DOCUMENTS__BACKEND": backend,
            }
            if backend == "mongo":
                running = stack.enter_context(replica_set())
                overrides |= {"LADING_DOCUMENTS_MONGO__URI": running.uri}
            conf = directory / f"{backend}.conf"
            conf.write_text(CONF.replace("port = 0", f"port = {port}"), encoding="utf-8")
            environ = environment(directory, **overrides)
            stack.enter_context(listening(["service", "serve", "--config", str(conf)], port, environ))
        lua = script(directory)
        for count in connections:
            samples: dict[str, list[Sample]] = {name: [] for name in ports}
            for turn in range(rounds + 1):
                for name, port in ports.items():
                    sample = load(port, lua, count, seconds if turn else 1)
                    if turn:
                        samples[name].append(sample)
            report(count, samples)


def report(connections: int, samples: dict[str, list[Sample]]) -> None:
    """Print the rows of so many connections."""
    reference = statistics.median(one.rate for one in samples["bare"])
    for name, found in samples.items():
        rates = sorted(one.rate for one in found)
        rate = statistics.median(rates)
        p50, p99 = (statistics.median(getattr(one, name) for one in found) for name in ("p50", "p99"))
        print(
            f"{name:8}{connections:4} connections: {rate:7,.0f}/s ({rates[0]:,.0f} to {rates[-1]:,.0f}),"
            f" p50 {p50:7.2f} ms, p99 {p99:7.2f} ms, ratio {rate / reference:.2f},"
            f" {sum(one.errors for one in found)} errors",
            flush=True,
        )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--backends", nargs="+", default=["sqlite", "mongo"])
    arguments = parser.parse_args()
    measure(arguments.backends, arguments.connections, arguments.seconds, arguments.rounds)


if __name__ == "__main__":
    main()
