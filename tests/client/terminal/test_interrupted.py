"""``lading import`` on a terminal, and interrupted: the same command goes on, and imports nothing twice."""

import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

import pytest

from lading.client import Client
from lading.plugins.testing.images import jpeg
from tests.client.conftest import ALBUM, Place
from tests.client.terminal.conftest import Run
from tests.support.servers.commands import Command

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PATIENCE = 60.0


@contextmanager
def on_terminal(folder: Path, environ: Mapping[str, str], *arguments: str) -> Iterator[tuple[Command, int]]:
    """A command on a terminal of 80 columns: its process, and the other side of the terminal."""
    ours, theirs = pty.openpty()
    try:
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        own = {**os.environ, **environ, "TERM": "xterm", "PYTHONASYNCIODEBUG": ""}
        process = Command({"arguments": arguments, "cwd": str(folder), "environ": own}, [theirs, theirs, theirs])
        try:
            yield process, ours
        finally:
            process.kill()
            process.wait(PATIENCE)
    finally:
        os.close(theirs)
        os.close(ours)


def shown(terminal: int, process: Command, items: int | None = None) -> str:
    """What the terminal shows until so many items have ended, or the process has."""
    text = ""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if items is not None and any(int(found) >= items for found in re.findall(r"(\d+)/\d+ ", text)):
            break
        if select.select([terminal], [], [], 0.1)[0]:
            text += os.read(terminal, 65536).decode("utf-8", "replace")
        elif process.poll() is not None:
            break
    return ESCAPES.sub("", text)


def test_bars_fit_a_terminal(environ: dict[str, str], pictures: Path) -> None:
    with on_terminal(pictures.parent, environ, "import", "pictures", "--album", ALBUM) as (process, terminal):
        text = shown(terminal, process)
    assert process.wait(PATIENCE) == 1
    assert "5/5" in text
    assert "failed: pictures/broken.jpg: The bytes are not an image of a known format. (not_an_image)" in text
    assert "3 of 5 imported, 2 failed" in text
    assert all(len(line) <= 80 for line in re.split(r"[\r\n]+", text) if "━" in line)


def test_after_ctrl_c_and_a_kill_each_file_is_imported_once(
    run: Run, environ: dict[str, str], place: Place, tmp_path: Path
) -> None:
    check_interrupted(run, environ, place, tmp_path, files=60, broken=3)


@pytest.mark.long_form
def test_a_thousand_files_with_broken_ones(run: Run, environ: dict[str, str], place: Place, tmp_path: Path) -> None:
    check_interrupted(run, environ, place, tmp_path, files=1000, broken=50)


def check_interrupted(
    run: Run, environ: dict[str, str], place: Place, tmp_path: Path, *, files: int, broken: int
) -> None:
    """Kill the command, interrupt it, and run it to its end."""
    folder = tmp_path / "many"
    folder.mkdir()
    mark = str(tmp_path).encode()
    for number in range(files):
        content = b"no image" if number < broken else jpeg(200, 150, seed=number)
        (folder / f"{files}-{number:04}.jpg").write_bytes(content + mark)
    command = ("import", "many", "--album", ALBUM, "--concurrency", "2")
    with on_terminal(tmp_path, environ, *command) as (process, terminal):
        shown(terminal, process, files // 8)  # and then it is killed
    with on_terminal(tmp_path, environ, *command) as (process, terminal):
        shown(terminal, process, files // 3)
        process.send_signal(signal.SIGINT)
        text = shown(terminal, process)
        assert process.wait(PATIENCE) == 130
    assert "Interrupted. Run the same command again to go on." in text
    ended = run(*command, "--json")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (ended.status, lines[-1]["summary"]["done"], lines[-1]["summary"]["failed"]) == (1, files - broken, broken)
    with Client(place.url, environ["LADING_TOKEN"]) as client:
        counted = Counter(
            str(one.params.get("filename")) for one in client.iter_imports(album_id=ALBUM) if one.status != "cancelled"
        )
    assert {name: count for name, count in counted.items() if name.startswith(f"{files}-")} == {
        f"{files}-{number:04}.jpg": 1 for number in range(files)
    }
