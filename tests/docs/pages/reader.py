"""A reader with a shell, who follows a page from its top to its end in one folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.docs.pages.answers import answer_difference
from tests.docs.pages.blocks import Block, blocks
from tests.docs.pages.comparing import Names, difference
from tests.docs.pages.quick import quick_lading
from tests.docs.pages.stand_ins import ROOT, StandIns
from tests.support.servers.processes import wait_until

READY: Final = {
    r"(?:\S*/)?lading serve\b": "listening",
    r"(?:\S*/)?lading worker\b": "working",
    r"make run\b": "Ctrl-C ends the demo.",
    r"(?:\S*/)?python3? \S*webhook_receiver\.py\b": "listening",
    r"npx azurite-blob\b": "successfully listens",
}
"""Commands that stay until Ctrl-C, and what they print when they are ready."""
COMMAND_SECONDS: Final = 600
"""The longest wait for a command that ends: npm installs an emulator, or the kit's cases run."""
_LOGICAL_LINE: Final = re.compile(r"(?:[^\n]*\\\n)*[^\n]*\n?")
# Variables of one block are there in the next one, as in a reader's terminal.
_SCRIPT: Final = """\
set -a
if [ -f "$STATE" ]; then . "$STATE"; cd "$PWD"; fi
# What is installed for this reader is never installed again.
make() {{ command make -o .venv/.installed -o .venv/.installed-test "$@"; }}
set -eu
{code}
export -p > "$STATE"
"""


class Strayed(AssertionError):
    """A page does not do what it says."""


class Reader:
    """Follows pages; a context manager that ends what it started.

    Args:
        folder: where they work.
        stand_ins: what stands for the names of the page.
    """

    def __init__(self, folder: Path, stand_ins: StandIns) -> None:
        self._folder = folder
        self._stand_ins = stand_ins
        self.names = Names()
        self.printed: str | None = None
        self._background: dict[str, subprocess.Popen[bytes]] = {}
        private = folder.with_name(f"{folder.name}-private")
        private.mkdir()
        self._logs = private
        self._stack = ExitStack()
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LADING_", "AWS_"))},
            **stand_ins.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(private),
            "STATE": str(private / "state"),
            "LADING_SERVICE__ADDRESS": "127.0.0.1",  # whatever a page says: no test leaves loopback
            "LADING_SERVICE__PORT": str(stand_ins.port),
            "PYTHONASYNCIODEBUG": "",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def __enter__(self) -> Self:
        quick = self._stack.enter_context(quick_lading(self._logs))
        self._environ["PATH"] = f"{quick}{os.pathsep}{self._environ['PATH']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            for name in [*self._background]:
                self._stop(name)

    def follow(self, page: Path) -> int:
        """Do what a page says; how many of its blocks were run.

        Raises:
            Strayed: a command failed, or printed something else than the page shows.
        """
        number = 0
        for block in blocks(page):
            if not block.skip:
                self._do(block, f"{page.name}:{block.line}")
                number += 1
        return number

    def shell(self, code: str, place: str = "before the page", status: int = 0) -> str:
        """Run lines of a shell, of which the last may stay until Ctrl-C; what they print.

        Raises:
            Strayed: a command failed.
        """
        *_, last = [line for line in _LOGICAL_LINE.findall(code) if line.strip()]
        command = next((command for command in READY if re.match(command, last)), None)
        if command is None:
            return self._run(code, place, status)
        before = code.rpartition(last)[0]
        printed = self._run(before, place) if before.strip() else ""
        self._start(command, last, place)
        return printed

    def _run(self, code: str, place: str, status: int = 0) -> str:
        """Run lines of a shell; what they print, with the names of the page."""
        script = _SCRIPT.format(code=self.names.applied(self._stand_ins.applied(code)))
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        printed = self._stand_ins.undone(done.stdout)
        if done.returncode != status:
            raise Strayed(f"{place}: exit status {done.returncode}\n{code}\n{printed}\n{self._logged()}")
        return printed

    def _do(self, block: Block, place: str) -> None:
        if block.file:
            path = self._folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.names.applied(self._stand_ins.applied(block.code)), encoding="utf-8")
        elif block.is_output:
            self.output(block, place)
        elif block.language == "sh":
            self.printed = self.shell(block.code, place, block.status)
        elif block.language == "python":
            file = self._logs / f"block_{block.line}.py"
            file.write_text(self._stand_ins.applied(block.code), encoding="utf-8")
            self.printed = self._run(f"python {file}", place)
        else:
            raise Strayed(f"{place}: nobody knows how to follow a block of {block.language or 'no language'}")

    def output(self, block: Block, place: str) -> None:
        """Compare what a page shows with what the command before it has printed.

        Raises:
            Strayed: they differ.
        """
        if self.printed is None:
            return  # a picture: nothing was run yet that could have printed it
        if block.language == "http":
            unlike = answer_difference(block.code, self.printed, self.names)
        else:
            unlike = difference(block.code, self.printed, block.language, self.names)
        if unlike:
            raise Strayed(f"{place}: {unlike}\nThe command printed:\n{self.printed}\n{self._logged()}")

    def _start(self, command: str, line: str, place: str) -> None:
        """Start what stays, in place of the one of its kind that runs: a reader's Ctrl-C comes before."""
        kind = "serve" if "make" in command else command
        self._stop(kind)
        log = self._logs / f"{len(list(self._logs.iterdir()))}.log"
        line = self.names.applied(self._stand_ins.applied(line))
        script = _SCRIPT.format(code=line).replace('export -p > "$STATE"\n', "")
        with log.open("wb") as file:
            self._background[kind] = process = subprocess.Popen(
                ["sh", "-c", script],
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ready = READY[command]
        wait_until(lambda: ready in log.read_text(errors="replace") or process.poll() is not None, 90)
        if process.poll() is not None:
            raise Strayed(f"{place}: {line.strip()} ended with {process.returncode}\n{self._logged()}")

    def _stop(self, kind: str) -> None:
        process = self._background.pop(kind, None)
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGTERM)  # SIGINT may be ignored where tests run in the background
            process.wait(40)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)

    def _logged(self) -> str:
        """The ends of what the commands in the background have printed."""
        logs = sorted(self._logs.glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-700:]}" for log in logs)


def as_a_clone(folder: Path) -> None:
    """Make a folder look like a clone of Lading after ``make run`` has installed it."""
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "examples").mkdir()
    for name in ("Makefile", "setup.py", "pyproject.toml", "service.conf", "examples/webhook_receiver.py"):
        shutil.copyfile(ROOT / name, folder / name)  # copies: pages write files of these names
