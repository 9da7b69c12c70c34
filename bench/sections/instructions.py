"""Instructions for each accepted POST and for each import: figures that a busy machine does not change."""

import http.client
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.asking import ask, form_of
from bench.batch import post as post_batch
from bench.counting import Counter, Worker, counter
from bench.images import make_small
from bench.lading import ACCEPTING, Lading, lading
from bench.origin import origin
from bench.processes import listening
from bench.rig import Rig, say
from bench.rows import Goal, Measure, Row, Table
from bench.wrk import BODY
from tests.support.servers.programs.ports import free_port

BARE, POST, ITEM = "bare handler, a POST", "Lading, SQLite, a POST", "Lading, SQLite, an item of a batch"
SCRIPT, IMPORT = "requests and Pillow, an image", "Lading, SQLite and local files, an import, without decoding"
DECODING = "Lading, decoding every frame of an image"
REFERENCES = {BARE: BARE, POST: BARE, ITEM: BARE, SCRIPT: SCRIPT, IMPORT: SCRIPT, DECODING: SCRIPT}
GOALS = {
    POST: Goal(Measure.RATIO, 1.12),
    ITEM: Goal(Measure.VALUE, 0.5),
    IMPORT: Goal(Measure.VALUE, 5.0),
}
MILLION = 1e6
PATIENT = {
    "LADING_WORKER__BLOCKING_LIMIT": "60",
    "LADING_WORKER__LEASE": "3600",
}
"""Callgrind makes everything fifty times slower: beside this, the services run in slow time (``bench.slow_time``)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that is counted.

    Attributes:
        pid: of its process.
        work: does so many operations.
        times: by how many the two counts of a round differ.
    """

    pid: int
    work: Callable[[int], None]
    times: int


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    counting = counter(rig.fresh("counts"))
    times = {
        "posts": rig.choose(60, 20, 4),
        "items": rig.choose(320, 128, 8),
        "imports": rig.choose(20, 6, 2),
    }
    if counting is None:
        return [Table("instructions", TEXT.format(tool="neither perf nor valgrind is there", **times), ())]
    samples: dict[str, list[float]] = {}
    with ExitStack() as stack:
        subjects = _subjects(rig, stack, counting, times)
        for name, subject in subjects.items():
            counting.count(subject.pid, partial(subject.work, 3))
            samples[name] = []
        # Counts are nearly the same each time: for a quick look one will do.
        for name in rig.turns(list(subjects), rig.choose(5, 1, 1)):
            subject = subjects[name]
            few, many = (
                counting.count(subject.pid, partial(subject.work, number))
                for number in (subject.times, 2 * subject.times)
            )
            samples[name].append((many - few) / subject.times / MILLION)
            say(f"{name}: {samples[name][-1]:.2f} million instructions")
    return [Table("instructions", TEXT.format(tool=counting.name, **times), _rows(samples))]


def _rows(samples: Mapping[str, Sequence[float]]) -> tuple[Row, ...]:
    return tuple(
        Row(
            name=name,
            unit="million instructions",
            values=tuple(found),
            reference=REFERENCES[name],
            reference_values=tuple(samples[REFERENCES[name]]),
            higher_is_better=False,
            goal=GOALS.get(name),
        )
        for name, found in samples.items()
    )


def _subjects(rig: Rig, stack: ExitStack, counting: Counter, times: Mapping[str, int]) -> dict[str, Subject]:
    """Everything, started and warm."""
    root, output = rig.fresh("instructions-root"), rig.fresh("instructions-output")
    paths = make_small(root, 2 * (3 * rig.rounds + 1) * max(times["imports"], 10))
    url = stack.enter_context(origin(rig.fresh("instructions-nginx"), root))
    urls = iter([url + path for path in paths])
    port = free_port()
    bare_log = rig.directory / "bare.log"
    bare = stack.enter_context(listening(["bench.bare", str(port)], port, log=bare_log, prefix=counting.prefix))
    accepting = stack.enter_context(
        lading(rig.fresh("instructions-accept"), {**ACCEPTING, **PATIENT}, prefix=counting.prefix, is_slow=True)
    )
    importing = stack.enter_context(
        lading(rig.fresh("instructions-import"), PATIENT, prefix=counting.prefix, is_slow=True)
    )
    script = str(Path(__file__).parents[1] / "plain_script.py")
    fetching = stack.enter_context(closing(Worker([*counting.prefix, sys.executable, script, "-", str(output)])))
    decoding = stack.enter_context(closing(Worker([*counting.prefix, sys.executable, "-m", "bench.decoder"])))
    files = itertools.cycle(f"{root}{path}" for path in paths)

    found = {
        BARE: Subject(bare.pid, _posting(port), times["posts"]),
        POST: Subject(accepting.pid, _posting(accepting.port), times["posts"]),
        ITEM: Subject(accepting.pid, partial(_batching, accepting.port), times["items"]),
        SCRIPT: Subject(fetching.pid, partial(_asking, fetching, urls), times["imports"]),
        IMPORT: Subject(importing.pid, _importing(importing, urls), times["imports"]),
        DECODING: Subject(decoding.pid, partial(_asking, decoding, files), times["imports"]),
    }
    for subject in found.values():
        subject.work(5)
    return found


def _asking(worker: Worker, subjects: Iterator[str], times: int) -> None:
    """Let a process do one thing after another."""
    for number in range(times):
        worker.do(f"{number} {next(subjects)}")


def _posting(port: int) -> Callable[[int], None]:
    """POSTs on one connection, each after the one before it is answered."""

    def work(times: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            for _ in range(times):
                ask(connection, "POST", "/api/v1/imports", BODY)
        finally:
            connection.close()

    return work


def _batching(port: int, times: int) -> None:
    """One batch with so many items."""
    _, end, answered = post_batch(port, times)
    if end["accepted"] != times or answered != times:
        raise RuntimeError(f"of {times} items, {end['accepted']} were accepted: {end}")


def _importing(service: Lading, urls: Iterator[str]) -> Callable[[int], None]:
    """Imports, each after the one before it is done."""

    def work(times: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
        try:
            for _ in range(times):
                body = form_of(next(urls))
                document = ask(connection, "POST", "/api/v1/imports", body, {"Prefer": "wait=60"})
                if document["status"] != "done":
                    raise RuntimeError(f"an import is {document['status']}: {document}")
        finally:
            connection.close()

    return work


TEXT = (
    "What was measured, by {tool}: instructions in user space for each accepted POST (the service's process; POSTs on"
    " one connection, one after another), for each item of a batch, and for each import of an image of 45 KB (the"
    " service's process, POST and answer included; one after another; what the decoding process does has a row of its"
    " own, which is counted outside of its confinement). A value is the difference of the counts of {posts} and twice"
    " as many POSTs ({items} and twice as many items, {imports} and twice as many imports), divided by that: neither"
    " start-up nor what a connection or a request with a batch costs is in it. The services run in slow time, so that"
    " their timers fire as often for each import as without the counter, however busy the machine is. The references"
    " are the bare handler of accept, and the script of pipeline with one thread. One after another, nothing is"
    " coalesced: under load an import costs less. What the kernel and the database server do is not in it. Valgrind"
    " hides the processor's instructions for SHA-256: without them, the digest of 45 KB takes 1.3 million of an import."
)
