"""The load: wrk, which sends the same request over so many connections as fast as it is answered."""

import re
from dataclasses import dataclass
from pathlib import Path

from bench.processes import output_of
from bench.tools import tool
from tests.support.servers.service import token

BODY = (
    "album_id=imported_album&filename=image123_asdasd.JpG&metadata[attachmentId]=00P24000003vSXsEAM"
    "&url=http%3A%2F%2Florempixel.com%2F100%2F100%2F"
)
ACCEPT = "text/html, */*"
"""As a browser that opens a page."""
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw.

    Attributes:
        rate: answers a second.
        p50, p99: milliseconds.
        answers: how many there were.
        errors: those other than 2xx and 3xx, and broken connections.
    """

    rate: float
    p50: float
    p99: float
    answers: int
    errors: int


def script(directory: Path) -> Path:
    """What wrk sends, as a file."""
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


def reading(directory: Path, reader: str) -> Path:
    """What wrk sends when it reads, as a file: requests with the token of ``reader``."""
    path = directory / "get.lua"
    path.write_text(
        f'wrk.headers["Authorization"] = "Bearer {reader}"\nwrk.headers["Accept"] = "{ACCEPT}"\n', encoding="ascii"
    )
    return path


def load(port: int, lua: Path, connections: int, seconds: int, path: str = "/api/v1/imports") -> Load:
    """Run wrk once, with one thread.

    Raises:
        RuntimeError: it failed, or said something unexpected.
    """
    options: list[str | Path] = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", lua]
    return parse(output_of([tool("wrk"), *options, f"http://127.0.0.1:{port}{path}"]))


def parse(said: str) -> Load:
    """Read what wrk printed.

    Raises:
        RuntimeError: it is not what wrk prints.
    """
    errors = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", said)))
    errors += sum(sum(map(int, re.findall(r"\d+", line))) for line in re.findall(r"Socket errors:.*", said))
    return Load(
        rate=float(_found(r"Requests/sec:\s+([\d.]+)", said)[1]),
        p50=_latency("50", said),
        p99=_latency("99", said),
        answers=int(_found(r"(\d+) requests in", said)[1]),
        errors=errors,
    )


def _latency(percent: str, said: str) -> float:
    found = _found(rf"\b{percent}%\s+([\d.]+)(us|ms|s|m)\b", said)
    return float(found[1]) * UNITS[found[2]]


def _found(pattern: str, said: str) -> re.Match[str]:
    found = re.search(pattern, said)
    if found is None:
        raise RuntimeError(f"wrk said something unexpected:\n{said}")
    return found
