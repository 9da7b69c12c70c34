"""Real processes: a service or a worker as an operator starts it, to be used, asked to stop, or killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.servers.commands import Command

LADING = (sys.executable, "-P", "-m", "lading")


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended: its exit status, and what it printed."""

    status: int
    stdout: str
    stderr: str


def lading(*arguments: str, cwd: Path, environ: dict[str, str] | None = None, stdin: str = "") -> Finished:
    """Run a ``lading`` command to its end, in a process of its own and in a folder, as it is for users: without
    asyncio's debug mode, which would print more on a busy machine."""
    command = {
        "arguments": arguments,
        "cwd": str(cwd.resolve()),
        "environ": {**os.environ, "PYTHONASYNCIODEBUG": "", **(environ or {})},
    }
    with ExitStack() as stack:
        given, stdout, stderr = (stack.enter_context(TemporaryFile("w+", errors="replace")) for _ in range(3))
        given.write(stdin)
        given.seek(0)
        process = Command(command, [given.fileno(), stdout.fileno(), stderr.fileno()])
        try:
            status = process.wait(60)
        finally:
            process.kill()
        stdout.seek(0)
        stderr.seek(0)
        return Finished(status, stdout.read(), stderr.read())


@dataclass(frozen=True, slots=True)
class HttpClient:
    """A client that blocks, for tests without an event loop.

    Attributes:
        base: URL of the service.
        token: to be sent with every request.
    """

    base: str
    token: str = "none"

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON body of the answer."""
        return self._exchange("GET", path, None)

    def post(self, form: str) -> tuple[int, dict[str, Any]]:
        """Post an import; status and JSON body of the answer."""
        return self._exchange("POST", "/api/v1/imports", form)

    def accepted(self, form: str) -> str:
        """Post an import that is to be accepted; its id."""
        status, document = self.post(form)
        assert status == 200, document
        return str(document["id"])

    def document(self, import_id: str) -> dict[str, Any]:
        """The import's document."""
        status, document = self.get(f"/api/v1/imports/{import_id}")
        assert status == 200, document
        return document

    def final(self, import_id: str, timeout: float = 30) -> dict[str, Any]:
        """The import's document once it is final."""
        wait_until(lambda: self.document(import_id)["status"] in ("done", "failed"), timeout)
        return self.document(import_id)

    def _exchange(self, method: str, path: str, form: str | None) -> tuple[int, dict[str, Any]]:
        address = urlsplit(self.base)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {self.token}"}
            if form is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, form, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def wait_until(condition: Callable[[], bool], timeout: float = 30) -> None:
    """Ask again and again until the condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.02)


def session_members(session: int) -> set[int]:
    """Pids of the processes of a session that have not ended (proc(5)), whoever their parent is by now."""
    members = set()
    for entry in Path("/proc").iterdir():
        try:
            # After the name, which may hold anything: state, parent, process group, session.
            fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else []
        except OSError:
            continue
        if fields and fields[0] not in "ZX" and int(fields[3]) == session:
            members.add(int(entry.name))
    return members


class ServiceProcess:
    """A ``lading`` process in a session of its own; its log lines are read as they come.

    Args:
        arguments: of the command.
        environ: added to this process's environment.
        cwd: its working directory; this process's unless given.
        python: the command of the Python that imports Lading. Unless it is given, or the environment tells Python how
            to begin, the process is forked from one that has imported Lading.

    Attributes:
        lines: what it logged, parsed; a line that is no JSON is ``{"text": ...}``.
    """

    def __init__(
        self,
        arguments: tuple[str, ...],
        environ: dict[str, str],
        cwd: Path | None = None,
        python: Sequence[str] | None = None,
    ) -> None:
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._ended = False
        if python is None and any(name == "LD_PRELOAD" or name.startswith("PYTHON") for name in environ):
            python = (sys.executable,)
        reading, writing = os.pipe()
        self._log = os.fdopen(reading)
        try:
            whole = {**os.environ, "PYTHONASYNCIODEBUG": "", **environ}
            self.process = _started(arguments, whole, cwd, python, writing)
        finally:
            os.close(writing)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait_for(self, event: str, timeout: float = 30, times: int = 1) -> dict[str, Any]:
        """The first log line with the event, when there are so many."""
        with self._news:
            self._news.wait_for(lambda: self._ended or len(self.logged(event)) >= times, timeout)
        found = self.logged(event)
        assert len(found) >= times, f"no {event!r}, {times} times, within {timeout} s: {self.lines[-5:]}"
        return found[0]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines with the event so far."""
        return [line for line in list(self.lines) if line.get("event") == event]

    @property
    def children(self) -> set[int]:
        """Pids of the other processes of its session."""
        return session_members(self.process.pid) - {self.process.pid}

    def terminate(self, timeout: float = 40, number: int = signal.SIGTERM) -> int:
        """Send a signal, SIGTERM unless another is given, and wait; the exit status."""
        self.process.send_signal(number)
        return self._reap(timeout)

    def kill(self, patience: float = 10) -> None:
        """SIGKILL to the process alone: whatever its children do about that is their own affair. Those that still log
        after ``patience`` seconds are heard until they end.
        """
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(patience)

    def _reap(self, timeout: float) -> int:
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def _read(self) -> None:
        with self._log as stderr:  # which children may hold open for longer than the process lives
            for text in stderr:
                with self._news:
                    self.lines.append(_parsed(text))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def _started(
    arguments: Sequence[str], environ: Mapping[str, str], cwd: Path | None, python: Sequence[str] | None, stderr: int
) -> subprocess.Popen[bytes] | Command:
    with Path(os.devnull).open("r+b") as null:
        if python is None:
            cwd = (cwd or Path()).resolve()
            command = {"arguments": arguments, "cwd": str(cwd), "environ": environ, "session": True}
            return Command(command, [null.fileno(), null.fileno(), stderr])
        return subprocess.Popen(
            [*python, *LADING[1:], *arguments],
            env=environ,
            cwd=cwd,
            stdin=null,
            stdout=null,
            stderr=stderr,
            start_new_session=True,
        )


def _parsed(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        return {"text": text}
    return line if isinstance(line, dict) else {"text": text}


@contextmanager
def origin_process(directory: Path) -> Iterator[str]:
    """An origin that serves the files of a folder from a process of its own; its base URL."""
    command = [sys.executable, "-m", "lading.plugins.testing.origin", "--directory", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()
            process.wait(10)
