"""Runs a plugin's suite in a process of its own, and keeps the score."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from .suites import CheckRefused, Task

OUTCOMES: Final = ("passed", "failed", "unsupported", "skipped")

_COMMAND: Final = (sys.executable, "-P", "-m", "lading.service.cli.plugins.check_child")
_LONGEST_NEWS: Final = 1024 * 1024
_TAIL: Final = 4096
_TAIL_LINES: Final = 10
_PIPES_SECONDS: Final = 5.0
"""Seconds for which a process's pipes are read after its end, since other processes may hold them open."""


@dataclass(frozen=True, slots=True)
class Case:
    """The result of one case.

    Attributes:
        name: its name, with its parameters.
        group: the part of the kit that it belongs to.
        outcome: one of ``OUTCOMES``.
        text: the failed assertion, or the reason of a skip.
    """

    name: str
    group: str
    outcome: str
    text: str


@dataclass(slots=True)
class Score:
    """The state of a run.

    Attributes:
        expected: number of cases, once it is known.
        running: the running case.
        cases: the finished cases.
        refusals: why the run, or a part of it, does not count.
        ended: whether the run came to its end.
        seconds: its duration.
    """

    expected: int = 0
    running: str = ""
    cases: list[Case] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    ended: bool = False
    seconds: float = 0.0

    @property
    def all_passed(self) -> bool:
        """Whether every case ran and passed, except those declared as unsupported."""
        passed = any(case.outcome == "passed" for case in self.cases)
        return passed and not self.refusals and all(case.outcome in ("passed", "unsupported") for case in self.cases)

    @property
    def place(self) -> str:
        """The progress, as a phrase."""
        if not self.running:
            return ", before the first case"
        return f", in {self.running}, with {len(self.cases)} of {self.expected} cases done"

    def take(self, news: Mapping[str, Any]) -> None:
        """Add a message of the process."""
        match news["event"]:
            case "collected":
                self.expected = news["cases"]
            case "started":
                self.running = news["case"]
            case "case":
                self.cases.append(Case(news["case"], news["group"], news["outcome"], news["text"]))
            case "refused":
                self.refusals.append(news["text"])
            case "ended":
                self.ended = True


async def run_suite(task: Task, seconds: float, progress: Callable[[Score], None]) -> Score:
    """Run the suite to its end, or for ``seconds``.

    Args:
        task: the run.
        seconds: after these the process is killed, with every process that it started.
        progress: called after each case.

    Raises:
        CheckRefused: the suite could not be run, or did not end in time.
    """
    score, start = Score(), monotonic()
    tail = bytearray()
    async with _process(task) as process:
        reading = asyncio.create_task(_read(process, score, progress, tail))
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
            async with asyncio.timeout(_PIPES_SECONDS):
                await reading
        except TimeoutError:
            if process.returncode is None:
                raise CheckRefused(f"Lading ended the suite after {seconds:g} s{score.place}") from None
        finally:
            reading.cancel()
            await asyncio.wait((reading,))
    score.seconds = monotonic() - start
    if score.refusals and not score.cases:
        raise CheckRefused("\n".join(score.refusals))
    if not score.ended:
        output = "".join(f"\n  {line}" for line in tail.decode(errors="replace").splitlines()[-_TAIL_LINES:])
        raise CheckRefused(f"the process that ran the suite died with status {process.returncode}{score.place}{output}")
    return score


@asynccontextmanager
async def _process(task: Task) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process with its task; on exit no process of its group is left."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        # Neither the working directory (-P) nor PYTHONPATH decides what the child imports (CWE-427).
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        start_new_session=True,
        limit=_LONGEST_NEWS,
    )
    try:
        if process.stdin is not None:  # stdin stays open: its end tells the process that this one is gone
            process.stdin.write(task.line())
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def _read(
    process: asyncio.subprocess.Process, score: Score, progress: Callable[[Score], None], tail: bytearray
) -> None:
    """Read the messages of the process into the score, and the end of its output into the tail."""
    async with asyncio.TaskGroup() as group:
        if process.stdout is not None:
            group.create_task(_listen(process.stdout, score, progress))
        if process.stderr is not None:
            group.create_task(_keep_tail(process.stderr, tail))


async def _listen(news: asyncio.StreamReader, score: Score, progress: Callable[[Score], None]) -> None:
    async for line in news:
        score.take(json.loads(line))
        progress(score)


async def _keep_tail(printed: asyncio.StreamReader, tail: bytearray) -> None:
    while chunk := await printed.read(65536):
        tail += chunk
        del tail[:-_TAIL]
