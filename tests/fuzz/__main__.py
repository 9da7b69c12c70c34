"""The long form of the fuzzing, bounded in inputs and in time; see ``make fuzz``.

A twentieth of the inputs is hypothesis's, whose failures come out small; the rest is atheris's where it is installed,
and hypothesis's too where it is not. The exit status is 1 where an input raised, or time ended before the inputs did.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback

from tests.fuzz.generated import run_generated
from tests.fuzz.targets import TARGETS

GUIDED = importlib.util.find_spec("atheris") is not None
SHARE_OF_GENERATED = 20
_DONE = re.compile(r"^stat::number_of_executed_units:\s*(\d+)$", re.MULTILINE)


def main() -> int:
    """Fuzz every target, or those that are named; the exit status."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Look for inputs that raise what they must not.")
    parser.add_argument("names", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all if none is named")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1800, help="for all targets (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of hypothesis's inputs")
    arguments = parser.parse_args()
    names = arguments.names or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if not GUIDED:
        print("atheris is not installed here: hypothesis makes all inputs, and may need more time")
    print(f"seed {arguments.seed}", flush=True)
    each = -(-arguments.inputs // len(names))
    end = time.monotonic() + arguments.seconds
    done = []
    for number, name in enumerate(names):  # what one leaves of its time is for those after it
        seconds = (end - time.monotonic()) / (len(names) - number)
        done.append(_fuzz(name, each, seconds, arguments.seed))
    print(f"{sum(map(abs, done)):,} inputs, {sum(count < 0 for count in done)} targets that raised")
    return 0 if all(count >= each for count in done) else 1


def _fuzz(name: str, inputs: int, seconds: float, seed: int) -> int:
    """How many inputs a target was given; less than none where one of them raised."""
    started = time.monotonic()
    failed = False
    generated = guided = 0
    try:
        generated = run_generated(
            name,
            inputs // SHARE_OF_GENERATED if GUIDED else inputs,
            seed=seed,
            seconds=seconds / 2 if GUIDED else seconds,
        )
    except Exception:  # noqa: BLE001 - this is what is looked for
        traceback.print_exc()
        failed = True
    if GUIDED and not failed:
        guided, failed = _run_guided(name, inputs - generated, seconds - (time.monotonic() - started))
    verdict = "RAISED" if failed else "ok"
    took = time.monotonic() - started
    print(f"{name:15} {generated:>9,} by hypothesis {guided:>9,} by atheris {took:6.0f} s  {verdict}", flush=True)
    return -max(generated + guided, 1) if failed else generated + guided


def _run_guided(name: str, inputs: int, seconds: float) -> tuple[int, bool]:
    """How many inputs atheris made, and whether one of them raised."""
    with tempfile.TemporaryDirectory(prefix="lading-fuzz-") as folder:
        command = (sys.executable, "-m", "tests.fuzz.guided", name, str(inputs), str(max(int(seconds), 1)), folder)
        ended = subprocess.run(
            command,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds + 120,
            check=False,
        )
    told = ended.stdout.decode("utf-8", "replace")
    if ended.returncode != 0:
        print(told[-8000:])
    found = _DONE.search(told)
    return int(found[1]) if found else 0, ended.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
