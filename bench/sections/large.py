"""Large images, 64 at once: MB/s and the most memory, to local files and to S3, against plain downloads."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.curl import AT_ONCE, download_all
from bench.images import make_large
from bench.importing import Sample, import_all
from bench.lading import WIDE, lading
from bench.origin import origin
from bench.processes import output_of, started, tail
from bench.rig import Rig, say
from bench.rows import Goal, Measure, Row, Table
from bench.sampling import peak_memory
from bench.tools import tool
from lading.plugins.testing.clouds.processes import S3Endpoint, serving
from tests.support.servers.clouds import S3Place

CURL, SYNCED = "curl --parallel", "curl --parallel, then sync"
SAME = "curl --parallel, then SHA-256, then sync"
LOCAL, LOCAL_PIXELS = "Lading, local files, structure", "Lading, local files, every frame"
UPLOAD, S3 = "requests and botocore, S3", "Lading, S3, every frame"
REFERENCES = {CURL: SAME, SYNCED: SAME, SAME: SAME, LOCAL: SAME, LOCAL_PIXELS: SAME, UPLOAD: UPLOAD, S3: UPLOAD}
LOCAL_GOAL = 0.8
MEMORY_GOAL_MB = 250.0
LOCAL_SHARE = 0.45
"""Of the section's time, for local files."""
PATIENT = {
    "LADING_FETCH__DEADLINE": "600",
    "LADING_FETCH_HTTP__TOTAL_TIMEOUT": "500",
    "LADING_FETCH_HTTP__READ_TIMEOUT": "120",
    "LADING_STORAGE__DEADLINE": "600",
    "LADING_WORKER__LEASE": "120",
}
"""The test server of S3 is slow, and so is a disk that is synced: no limit is to end what only takes its time."""


@dataclass(frozen=True, slots=True)
class Course:
    """What every competitor is given."""

    rig: Rig
    urls: Sequence[str]


Competitor = Callable[[Course], Sample]


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    count, byte_size = rig.choose(50, 8, 3), rig.choose(20_000_000, 20_000_000, 2_000_000)
    root = rig.fresh("large-root")
    paths = make_large(root, count, byte_size)
    megabytes = sum((root / path[1:]).stat().st_size for path in paths) / 1e6 / count
    local: dict[str, Competitor] = {
        CURL: _curl,
        SYNCED: partial(_curl, after=_sync),
        SAME: partial(_curl, after=_hash_and_sync),
        LOCAL: partial(_lading, {"LADING_DETECT_PILLOW__VERIFY": "structure"}),
        LOCAL_PIXELS: partial(_lading, {}),
    }
    cloud: dict[str, Competitor] = {UPLOAD: _upload, S3: _s3}
    with origin(rig.fresh("large-nginx"), root) as url:
        course = Course(rig, [url + path for path in paths])
        samples = _measure(course, local, megabytes, LOCAL_SHARE) | _measure(course, cloud, megabytes, 1.0)
    rig.remove("large-root")
    return [_table(samples, count, megabytes)]


def _measure(
    course: Course, competitors: Mapping[str, Competitor], megabytes: float, share: float
) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in competitors}
    for name in course.rig.turns(list(competitors), share=share):
        sample = competitors[name](course)
        samples[name].append(sample)
        say(
            f"{name}: {megabytes * sample.rate:,.0f} MB/s, {sample.megabytes:.0f} MB of memory,"
            f" {sample.succeeded} of {sample.tried}"
        )
        course.rig.remove("run")
    return samples


def _table(samples: Mapping[str, Sequence[Sample]], count: int, megabytes: float) -> Table:
    rows = []
    for name, found in samples.items():
        reference = REFERENCES[name]
        row = Row(
            name=name,
            unit="MB/s",
            values=tuple(megabytes * sample.rate for sample in found),
            reference=reference,
            reference_values=tuple(megabytes * sample.rate for sample in samples[reference]),
            goal=Goal(Measure.RATIO, LOCAL_GOAL) if name == LOCAL else None,
            tried=sum(sample.tried for sample in found),
            succeeded=sum(sample.succeeded for sample in found),
        )
        rows.append(row)
    for name, found in samples.items():
        reference = REFERENCES[name]
        is_ours = name in (LOCAL, LOCAL_PIXELS, S3)
        row = Row(
            name=f"{name}, memory",
            unit="MB",
            values=tuple(sample.megabytes for sample in found),
            reference=f"{reference}, memory",
            reference_values=tuple(sample.megabytes for sample in samples[reference]),
            higher_is_better=False,
            goal=Goal(Measure.VALUE, MEMORY_GOAL_MB) if is_ours else None,
        )
        rows.append(row)
    return Table("large", TEXT.format(count=count, megabytes=megabytes, at_once=AT_ONCE), tuple(rows))


def _curl(course: Course, after: Callable[[Path], None] | None = None) -> Sample:
    folder = course.rig.fresh("run")
    output = folder / "output"
    command = download_all(course.urls, folder)
    sample = _timed(command, len(course.urls), folder, after=None if after is None else partial(after, output))
    return replace(sample, succeeded=sum(path.stat().st_size > 0 for path in output.iterdir()))


def _sync(_folder: Path) -> None:
    os.sync()


def _hash_and_sync(folder: Path) -> None:
    output_of([tool("openssl"), "dgst", "-sha256", *sorted(folder.iterdir())])
    os.sync()


def _s3(course: Course) -> Sample:
    with serving(S3Endpoint) as endpoint, closing(S3Place(endpoint)) as place:
        return _lading({**place.environ, "LADING_STORAGE_S3__READ_TIMEOUT": "120"}, course)


def _lading(overrides: Mapping[str, str], course: Course) -> Sample:
    folder = course.rig.fresh("run")
    with lading(folder, {**WIDE, **PATIENT, **overrides}) as service, peak_memory(service.pid) as peak:
        sample = import_all(service.port, course.urls, folder)
    return replace(sample, megabytes=peak.megabytes)


def _upload(course: Course) -> Sample:
    folder = course.rig.fresh("run")
    listed = folder / "urls.txt"
    listed.write_text("\n".join(course.urls) + "\n", encoding="utf-8")
    with serving(S3Endpoint) as endpoint, closing(S3Place(endpoint)) as place:
        environ = {name: value for name, value in place.environ.items() if name.startswith("AWS_")}
        environ |= {"AWS_DEFAULT_REGION": endpoint.region}
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "bench.plain_upload",
            listed,
            place.bucket,
            endpoint.url,
            "16",
        ]
        sample = _timed(command, len(course.urls), folder, environ)
        return replace(sample, succeeded=len(place.names()))


def _timed(
    command: Sequence[str | Path],
    tried: int,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    after: Callable[[], None] | None = None,
) -> Sample:
    """Run a client, and whatever is to come after it; with its memory."""
    log = folder / "client.log"
    began = time.monotonic()
    with started(command, environ, log) as process, peak_memory(process.pid) as peak:
        if status := process.wait():
            raise RuntimeError(f"{command[0]} ended with status {status}: {tail(log)}")
        if after is not None:
            after()
        took = time.monotonic() - began
    return Sample(took, tried, 0, peak.megabytes)


TEXT = (
    "What was measured: {count} different PNGs of {megabytes:.0f} MB (stored without compression, so that decoding"
    " them is cheap) from nginx on loopback, up to {at_once} at once, timed as in pipeline. Memory is the most that"
    " all processes of the service together had: the sum of their proportional set sizes, looked at every 50 ms from"
    " before the first POST; servers of databases and S3 are not counted, nor are temporary files. The reference"
    " does the same work, one thing after another: curl, `openssl dgst -sha256` of all files, and a sync for all. curl"
    " alone writes to the page cache and leaves it to the system when that reaches the disk. Lading syncs each file"
    " before its import is done. The goal is for the check of structure, which the reference does not do. The S3 server"
    " is moto's, in Python, and slow: how much of that is its own doing shows the script beside it, which downloads and"
    " uploads with 16 threads, as many as Lading's storage has."
)
