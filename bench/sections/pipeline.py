"""Imports a second from the POST to the last ``done``, against what else downloads many images."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.curl import download_all
from bench.images import make_small
from bench.img2dataset import PROCESSES, THREADS, download
from bench.importing import Sample, import_all
from bench.lading import WIDE, Lading, lading
from bench.origin import origin
from bench.processes import run
from bench.rig import Rig, say
from bench.rows import Goal, Measure, Row, Table

CURL, WHOLE, ALONE = "curl --parallel", "img2dataset", "img2dataset, without its start-up"
SCRIPT = "requests and Pillow"
STRUCTURE = ("Lading, structure, 1 process", "Lading, structure, 2 processes")
PIXELS = ("Lading, every frame, 1 process", "Lading, every frame, 2 processes")
STRUCTURE_GOAL, PIXELS_GOAL = 1.0, 0.7
MANY_SHARE = 0.3
"""Of the section's time for the long table, at least."""


@dataclass(frozen=True, slots=True)
class Course:
    """What every competitor is given: the same images, and an empty folder below ``rig.directory``."""

    rig: Rig
    urls: Sequence[str]


Competitor = Callable[[Course], dict[str, Sample]]


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    few, many = rig.choose(1_500, 500, 50), rig.choose(10_000, 0, 100)
    root = rig.fresh("pipeline-root")
    paths = make_small(root, max(few, many))
    with ExitStack() as stack:
        url = stack.enter_context(origin(rig.fresh("pipeline-nginx"), root))
        urls = [url + path for path in paths]
        competitors = _competitors(rig, stack)
        for name in competitors.keys() & {*STRUCTURE, *PIXELS}:
            competitors[name](Course(rig, urls[: few // 5]))  # warm-up
        short = _measure(Course(rig, urls[:few]), competitors, 1 - MANY_SHARE if many else 1)
        tables = [Table(f"pipeline, {few:,} images", TEXT + SHORT, _rows(short, ALONE))]
        if not many:
            return tables
        # The long table has what the goals are about, and the floor.
        best = {_fastest(names, short) for names in (STRUCTURE, PIXELS)}
        some = {name: one for name, one in competitors.items() if name in {CURL, WHOLE, *best}}
        long = _measure(Course(rig, urls), some, 1.0)
    rig.remove("pipeline-root")
    return [*tables, Table(f"pipeline, {many:,} images", LONG.format(rounds=len(long[CURL])), _rows(long, WHOLE))]


def _measure(course: Course, competitors: Mapping[str, Competitor], share: float) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {}
    for name in course.rig.turns(list(competitors), share=share):
        for measured, sample in competitors[name](course).items():
            samples.setdefault(measured, []).append(sample)
            say(f"{measured}: {sample.rate:,.0f}/s, {sample.succeeded} of {sample.tried}")
        course.rig.remove("run")
    return samples


def _rows(samples: Mapping[str, Sequence[Sample]], reference: str) -> tuple[Row, ...]:
    best = {_fastest(names, samples) for names in (STRUCTURE, PIXELS)}
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
            reference=reference,
            reference_values=tuple(sample.rate for sample in samples.get(reference, ())),
            goal=Goal(Measure.RATIO, bound) if name in best else None,
            tried=sum(sample.tried for sample in found),
            succeeded=sum(sample.succeeded for sample in found),
            note="" if found else "img2dataset is not installed: make .venv-bench/.installed",
        )
        rows.append(row)
    return tuple(rows)


def _fastest(names: Sequence[str], samples: Mapping[str, Sequence[Sample]]) -> str:
    """Whose median rate is the highest: the goals are for the best that can be configured."""
    rates = {name: median(one.rate for one in samples[name]) for name in names if name in samples}
    return max(rates, key=lambda name: rates[name], default="")


def _competitors(rig: Rig, stack: ExitStack) -> dict[str, Competitor]:
    """By name; img2dataset is two of the rows. The services run, and are idle but for the one that is measured."""
    found: dict[str, Competitor] = {CURL: _curl}
    if rig.img2dataset is not None:
        found[WHOLE] = partial(_img2dataset, rig.img2dataset)
    found[SCRIPT] = _script
    for names, verify in ((STRUCTURE, "structure"), (PIXELS, "pixels")):
        # Two processes are the faster ones; what one does is for the full report.
        for processes, name in list(enumerate(names, start=1))[rig.choose(0, 1, 0) :]:
            overrides = {**WIDE, "LADING_DETECT_PILLOW__VERIFY": verify}
            folder = rig.fresh(f"pipeline-{verify}-{processes}")
            service = stack.enter_context(lading(folder, overrides, processes=processes))
            found[name] = partial(_lading, name, service)
    return found


def _curl(course: Course) -> dict[str, Sample]:
    """The floor: downloads alone."""
    folder = course.rig.fresh("run")
    command = download_all(course.urls, folder)
    began = time.monotonic()
    run(command)
    return {CURL: Sample(time.monotonic() - began, len(course.urls), _files(folder / "output"))}


def _img2dataset(binary: Path, course: Course) -> dict[str, Sample]:
    found = download(binary, course.urls, course.rig.fresh("run"))
    return {WHOLE: found.whole, ALONE: found.alone}


def _script(course: Course) -> dict[str, Sample]:
    folder = course.rig.fresh("run")
    listed = folder / "urls.txt"
    listed.write_text("\n".join(course.urls) + "\n", encoding="utf-8")
    (folder / "output").mkdir()
    script = Path(__file__).parents[1] / "plain_script.py"
    began = time.monotonic()
    run([sys.executable, script, listed, folder / "output"], log=folder / "script.log")
    return {SCRIPT: Sample(time.monotonic() - began, len(course.urls), _files(folder / "output"))}


def _lading(name: str, service: Lading, course: Course) -> dict[str, Sample]:
    """From the POST to the last import that is done, by a service that was idle before."""
    sample = import_all(service.port, course.urls, service.folder)
    service.empty_images()
    return {name: sample}


def _files(folder: Path) -> int:
    """How many files that are not empty a folder has."""
    return sum(path.stat().st_size > 0 for path in folder.iterdir())


TEXT = (
    "What was measured: different JPEGs of about 45 KB from the origin on loopback, all written to files on the same"
    " disk. Lading is given them as one batch request of NDJSON and is timed from that POST until the API says that"
    " the last import is done: each is then an authorised and durable document in SQLite and a checked, synced file."
    " The services run before and are idle, as services are. curl --parallel (64 at once) is the floor: it checks and"
    " records nothing. The script (requests and Pillow's verify) has 64 threads. Only Lading makes sure that what it"
    " wrote is on the disk."
)
SHORT = (
    f" img2dataset ({PROCESSES} processes, {THREADS} threads each, no resizing, no encoding, files) needs seconds to"
    f" start, which would weigh more than the few images of these rounds: the ratios, and the goals, for the faster"
    f" number of processes, are therefore against its rate without its start-up."
)
LONG = (
    "The same with more images, for the floor, img2dataset and Lading with the faster number of processes of the table"
    " above; the ratios and goals are against the whole of img2dataset's process. Rounds for which the rig's time was"
    " enough: {rounds}."
)
