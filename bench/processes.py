"""Processes of the measurements: each has an owner that ends it, with all that it has started, whatever happens."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 45.0
"""How long a server may take to stop before it is killed."""
START_SECONDS = 120.0
CLIENT_SECONDS = 900.0


@contextmanager
def started(
    command: Sequence[str | Path], environ: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, so that Ctrl-C reaches its owner alone; ended with the block: SIGTERM, time
    to stop, SIGKILL to whatever is left of the session's first process group.

    Args:
        command: of the process.
        environ: added to this process's environment.
        log: where its output goes; nowhere without.
    """
    with contextlib.ExitStack() as stack:
        output = subprocess.DEVNULL if log is None else stack.enter_context(log.open("ab"))
        process = subprocess.Popen(  # noqa: S603  # our own
            [str(part) for part in command],
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL if log is None else subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that leads a group, and the group."""
    try:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(
    command: Sequence[str | Path], environ: Mapping[str, str] | None = None, log: Path | None = None
) -> "subprocess.Popen[bytes]":
    """Run a command to its end.

    Raises:
        RuntimeError: it failed, or takes longer than a quarter of an hour; the end of ``log`` is told.
    """
    with started(command, environ, log) as process:
        try:
            status = process.wait(CLIENT_SECONDS)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{command[0]} did not end within {CLIENT_SECONDS:.0f} s") from None
    if status:
        raise RuntimeError(f"{command[0]} ended with status {status}: {tail(log)}")
    return process


def output_of(command: Sequence[str | Path]) -> str:
    """What a command prints; it is to succeed.

    Raises:
        RuntimeError: it failed, or takes too long.
    """
    process = subprocess.Popen(  # noqa: S603  # our own
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        printed, errors = process.communicate(timeout=CLIENT_SECONDS)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{command[0]} did not end within {CLIENT_SECONDS:.0f} s") from None
    finally:
        end(process)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with status {process.returncode}: {errors.decode(errors='replace')}")
    return printed.decode(errors="replace")


@contextmanager
def listening(
    module: Sequence[str],
    port: int,
    environ: Mapping[str, str] | None = None,
    log: Path | None = None,
    prefix: Sequence[str] = (),
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server of ours, ``python -m``, from when it listens; a prefix of its command may be that of valgrind."""
    with started([*prefix, sys.executable, "-m", *module], environ, log) as process:
        wait_for(port, process, log)
        yield process


def wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path | None = None) -> None:
    """Return when the process listens on the port.

    Raises:
        RuntimeError: it does not within two minutes, or has ended.
    """
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise RuntimeError(f"it ended with status {process.returncode} instead of listening: {tail(log)}")
        time.sleep(0.05)
    raise RuntimeError(f"it does not listen: {tail(log)}")


def tail(log: Path | None) -> str:
    """The end of a log."""
    return log.read_text(encoding="utf-8", errors="replace")[-2000:] if log is not None and log.exists() else ""


def tree(pid: int) -> list[int]:
    """Pids of a process and of all that descend from it (proc(5))."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # After the name, which may hold anything: state, parent.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, pending = [], [pid]
    while pending:
        one = pending.pop()
        found.append(one)
        pending += children.get(one, [])
    return found


def wait_until_idle(pid: int, quiet: float = 0.5, patience: float = 30.0) -> None:
    """Return when a process and its descendants have used next to no CPU time for ``quiet`` seconds: when all of them
    have started. Those that never rest are waited for no longer than ``patience`` seconds.
    """
    give_up = time.monotonic() + patience
    ticks = _ticks(pid)
    while time.monotonic() < give_up:
        time.sleep(quiet)
        before, ticks = ticks, _ticks(pid)
        if ticks - before <= 100 * quiet * 0.08:  # a tick is 10 ms
            return


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time that processes and their descendants have used, those that have ended and were waited for included."""
    return sum(_ticks(pid, with_ended=True) for pid in pids) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int, *, with_ended: bool = False) -> int:
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11 : 15 if with_ended else 13]))  # utime, stime, cutime, cstime (proc(5))
    return total
