"""Imports a second from the POST to the last ``done``, against what else downloads many images."""

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.images import make_small
from bench.img2dataset import PROCESSES, THREADS, download
from bench.importing import Sample, import_all
from bench.lading import WIDE, lading
from bench.machine import filesystem
from bench.origin import origin
from bench.processes import run
from bench.rig import Rig, say
from bench.rows import Goal, Measure, Row, Table, in_turn
from bench.tools import tool

CURL, WHOLE, ALONE = "curl --parallel", "img2dataset", "img2dataset, without its start-up"
SCRIPT = "requests and Pillow"
STRUCTURE = ("Lading, structure, 1 process", "Lading, structure, 2 processes")
PIXELS = ("Lading, every frame, 1 process", "Lading, every frame, 2 processes")
STRUCTURE_GOAL, PIXELS_GOAL = 1.0, 0.7
SCRIPT_SHARE = 4
"""The script gets every fourth image: it is the slowest, and has no start-up that would count."""
MEMORY = Path("/dev/shm")  # noqa: S108  # a filesystem in memory, used for what it is
ROOM_FOR_EACH = 120_000
"""Bytes on the disk for each image: at the origin, and stored once."""


@dataclass(frozen=True, slots=True)
class Course:
    """What every competitor is given: the same images, and an empty folder below ``rig.directory``."""

    rig: Rig
    urls: Sequence[str]


Competitor = Callable[[Course], dict[str, Sample]]


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    count = rig.choose(10_000, 1_500, 100)
    tables = [_measure(rig, count, rig.rounds)]
    if MEMORY.is_dir() and filesystem(MEMORY) != filesystem(rig.directory):
        if shutil.disk_usage(MEMORY).free < 2 * count * ROOM_FOR_EACH:
            say(f"{MEMORY} has too little room: only {rig.directory} is measured")
        else:
            tables.append(_measure_in_memory(rig, count))
    return tables


def _measure_in_memory(rig: Rig, count: int) -> Table:
    """Once more, where writing costs nothing, with the fastest of each kind: what the disk takes shows."""
    with TemporaryDirectory(prefix="lading-bench-", dir=MEMORY) as temporary:
        directory = Path(temporary)
        directory.chmod(0o755)
        only = (CURL, WHOLE, STRUCTURE[-1], PIXELS[-1])
        return _measure(replace(rig, directory=directory), count, rig.choose(2, 1, 1), only)


def _measure(rig: Rig, count: int, rounds: int, only: Sequence[str] = ()) -> Table:
    kind = filesystem(rig.directory)
    root = rig.fresh("pipeline-root")
    paths = make_small(root, count)
    competitors = {name: one for name, one in _competitors(rig).items() if not only or name in only}
    samples: dict[str, list[Sample]] = {}
    with origin(rig.fresh("pipeline-nginx"), root) as url:
        course = Course(rig, [url + path for path in paths])
        for name in in_turn(rounds, list(competitors)):
            for measured, sample in competitors[name](course).items():
                samples.setdefault(measured, []).append(sample)
                say(f"{kind}: {measured}: {sample.rate:,.0f}/s, {sample.succeeded} of {sample.tried}")
            rig.remove("run")
    rig.remove("pipeline-root")
    title = f"pipeline, on {kind}"
    return Table(title, TEXT.format(count=count, rounds=rounds, processes=PROCESSES, threads=THREADS), _rows(samples))


def _rows(samples: Mapping[str, Sequence[Sample]]) -> tuple[Row, ...]:
    best = {name for names in (STRUCTURE, PIXELS) if (name := _fastest(names, samples))}
    rows = []
    for name in (CURL, WHOLE, ALONE, SCRIPT, *STRUCTURE, *PIXELS):
        found = samples.get(name, ())
        if not found and name not in (WHOLE, ALONE):
            continue
        bound = STRUCTURE_GOAL if name in STRUCTURE else PIXELS_GOAL
        row = Row(
            name=name,
            unit="images/s",
            values=tuple(sample.rate for sample in found),
            reference=WHOLE,
            reference_values=tuple(sample.rate for sample in samples.get(WHOLE, ())),
            goal=Goal(Measure.RATIO, bound) if name in best else None,
            tried=sum(sample.tried for sample in found),
            succeeded=sum(sample.succeeded for sample in found),
            note="" if found else "img2dataset is not installed: make .venv-bench/.installed",
        )
        rows.append(row)
    return tuple(rows)


def _fastest(names: Sequence[str], samples: Mapping[str, Sequence[Sample]]) -> str:
    """Whose median rate is the highest: the goals are for the best that can be configured."""
    rates = {
        name: sorted(one.rate for one in samples[name])[len(samples[name]) // 2] for name in names if name in samples
    }
    return max(rates, key=lambda name: rates[name]) if rates else ""


def _competitors(rig: Rig) -> dict[str, Competitor]:
    """By name; img2dataset is two of the rows."""
    found: dict[str, Competitor] = {CURL: _curl}
    if rig.img2dataset is not None:
        found[WHOLE] = partial(_img2dataset, rig.img2dataset)
    found[SCRIPT] = _script
    for names, verify in ((STRUCTURE, "structure"), (PIXELS, "pixels")):
        for processes, name in enumerate(names, start=1):
            found[name] = partial(_lading, name, verify, processes)
    return found


def _curl(course: Course) -> dict[str, Sample]:
    """The floor: downloads alone."""
    folder = course.rig.fresh("run")
    return {CURL: download_all(course.urls, folder)}


def download_all(urls: Sequence[str], folder: Path) -> Sample:
    """One curl with up to 64 transfers at once."""
    (folder / "output").mkdir()
    config = folder / "curl.conf"
    lines = [f'url = "{url}"\noutput = "{folder}/output/{number}"\n' for number, url in enumerate(urls)]
    config.write_text("".join(lines), encoding="utf-8")
    command: list[str | Path] = [
        tool("curl"),
        "--silent",
        "--fail",
        "--parallel",
        "--parallel-max",
        "64",
        "--config",
        config,
    ]
    began = time.monotonic()
    run(command)
    return Sample(time.monotonic() - began, len(urls), _files(folder / "output"))


def _img2dataset(binary: Path, course: Course) -> dict[str, Sample]:
    found = download(binary, course.urls, course.rig.fresh("run"))
    return {WHOLE: found.whole, ALONE: found.alone}


def _script(course: Course) -> dict[str, Sample]:
    folder = course.rig.fresh("run")
    some = course.urls[::SCRIPT_SHARE]
    listed = folder / "urls.txt"
    listed.write_text("\n".join(some) + "\n", encoding="utf-8")
    (folder / "output").mkdir()
    script = Path(__file__).parents[1] / "plain_script.py"
    began = time.monotonic()
    run([sys.executable, script, listed, folder / "output"], log=folder / "script.log")
    return {SCRIPT: Sample(time.monotonic() - began, len(some), _files(folder / "output"))}


def _lading(name: str, verify: str, processes: int, course: Course) -> dict[str, Sample]:
    """From the POST to the last import that is done, by a service that was idle before."""
    folder = course.rig.fresh("run")
    overrides = {**WIDE, "LADING_DETECT_PILLOW__VERIFY": verify}
    with lading(folder, overrides, processes=processes) as service:
        return {name: import_all(service.port, course.urls, folder)}


def _files(folder: Path) -> int:
    """How many files that are not empty a folder has."""
    return sum(path.stat().st_size > 0 for path in folder.iterdir())


TEXT = (
    "What was measured: {count:,} different JPEGs of about 45 KB from nginx on loopback, all written to files below the same"
    " folder; {rounds} rounds, in which all take turns. Lading is given them as one batch request of NDJSON and is timed from"
    " that POST until the API says that the last import is done: each is then an authorised and durable document in SQLite"
    " and a checked, synced file. The service was started before, as a service is; img2dataset ({processes} processes,"
    " {threads} threads each, no resizing, no encoding, files) is therefore shown with and without its start-up, and the"
    " goals, for the faster of the two numbers of processes, are against it with start-up. curl --parallel (64 at once) is"
    " the floor: it checks and records nothing. The script (requests and Pillow, 64 threads) gets every fourth image. Only"
    " Lading makes sure that what it wrote is on the disk."
)
