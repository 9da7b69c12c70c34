"""Real processes: a service or a worker as an operator starts it, to be used, asked to stop, or killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

LADING = (sys.executable, "-m", "service")


class ServiceProcess:
    """A ``lading`` process in a session of its own; its log lines are read as they come.

    Args:
        arguments: of the command.
        environ: added to this process's environment.

    Attributes:
        lines: what it logged, parsed; a line that is no JSON is ``{"text": ...}``.
    """

    def __init__(self, arguments: tuple[str, ...], environ: dict[str, str]) -> None:
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            [*LADING, *arguments],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait_for(self, event: str, timeout: float = 30) -> dict[str, Any]:
        """The first log line with the event."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self._find(event), timeout)
        found = self._find(event)
        assert found is not None, f"no {event!r} within {timeout} s: {self.lines[-5:]}"
        return found

    def terminate(self, timeout: float = 40) -> int:
        """SIGTERM, and wait; the exit status."""
        self.process.terminate()
        return self._reap(timeout)

    def kill(self) -> None:
        """SIGKILL to the process alone: whatever its children do about that is their own affair."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self._reap(10)

    def _reap(self, timeout: float) -> int:
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return status

    def _find(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.lines if line.get("event") == event), None)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            with self._news:
                self.lines.append(_parsed(text))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def _parsed(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        return {"text": text}
    return line if isinstance(line, dict) else {"text": text}


@contextmanager
def origin_process(directory: Path) -> Iterator[str]:
    """An origin that serves the files of a folder from a process of its own; its base URL."""
    command = [sys.executable, "-m", "tests.support.origin", "--directory", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()
            process.wait(10)
