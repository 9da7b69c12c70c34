"""``lading demo``: what a newcomer sees first."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers.processes import LADING, HttpClient, lading, session_members, wait_until
from tests.support.servers.programs.ports import free_port

SAME = re.compile(r"4\. The image is stored at (\S+)\n\n49093 bytes, identical to the origin's\.\n\n\Z")


class Demo:
    """A demo that stays up, in a folder; what it prints goes to a file there.

    Args:
        folder: its working directory.
        port: its ``--port``.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._output = folder / "output.txt"
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(
                [*LADING, "demo", "--port", str(port)],
                cwd=folder,
                env={**os.environ, "PYTHONASYNCIODEBUG": ""},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        return self._output.read_text(encoding="utf-8")

    def prints(self, text: str) -> None:
        """Wait until it has printed the text."""
        wait_until(lambda: text in self.printed or self.process.poll() is not None)
        assert text in self.printed


@contextmanager
def running_demo(folder: Path, port: int = 0) -> Iterator[Demo]:
    """A demo, and its end whatever happens."""
    demo = Demo(folder, port)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait(10)


def complaints(stderr: str) -> list[str]:
    """What a command says to stderr, without that a busy machine made a plugin slow."""
    return [line for line in stderr.splitlines() if "a plugin blocks the event loop" not in line]


def run_lines(printed: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the lines of a shell among what the demo printed; a line that fails fails the test."""
    lines = re.findall(r"^(?:TOKEN=|curl |  -d ).*$", printed, flags=re.MULTILINE)
    assert sum(line.startswith("curl ") for line in lines) == 4
    script = "\n".join(["set -e", *lines])
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done


def run_import(printed: str, folder: Path) -> str:
    """Run the line with ``lading import``, in a home without profiles, and return its output."""
    lines = re.findall(r"^(?:TOKEN=|LADING_URL=).*$", printed, flags=re.MULTILINE)
    environ = {**os.environ, "HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(
        ["sh", "-c", "\n".join(lines)], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done
    return done.stdout


def test_the_demo_imports_its_sample_and_leaves_a_configuration_that_works(tmp_path: Path) -> None:
    environ = {"LADING_STORAGE__BACKEND": "none-that-is-installed"}  # of no concern to a demo
    printed = lading("demo", "--once", "--port", "0", cwd=tmp_path, environ=environ)
    assert (printed.status, complaints(printed.stderr)) == (0, [])
    match = SAME.search(printed.stdout)
    assert match is not None, printed.stdout
    stored = tmp_path / match[1]
    assert stored.stat().st_size == 49093
    folder = tmp_path / ".lading-demo"
    assert list(tmp_path.iterdir()) == [folder]
    conf = folder / "service.conf"
    assert conf.stat().st_mode & 0o777 == 0o600

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    checked = lading("check", "--config", str(conf), cwd=elsewhere)
    assert (checked.status, complaints(checked.stderr)) == (0, [])
    assert str(folder / "lading.sqlite3") in checked.stdout
    assert list(elsewhere.iterdir()) == []


def test_a_demo_stays_up_for_an_import_of_ones_own_and_beside_it_runs_another(tmp_path: Path) -> None:
    port = free_port()
    with running_demo(tmp_path, port) as demo:
        demo.prints("Ctrl-C ends the demo.")
        commands = demo.printed.partition("Or import your own image")[2]
        base = re.search(r"curl -sS --fail-with-body (http://127\.0\.0\.1:\d+)/api/v1/imports ", commands)
        token = re.search(r"^TOKEN=(\S+)$", commands, flags=re.MULTILINE)
        assert base is not None
        assert token is not None
        assert base[1] == f"http://127.0.0.1:{port}"
        client = HttpClient(base[1], token[1])
        pixel = "data:image/gif;base64,R0lGODlhAQABAPAAAAAAAAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="
        import_id = client.accepted(f"album_id=imported_album&url={pixel.replace('+', '%2B')}")
        document = client.final(import_id)
        assert document["image"]["format"] == "GIF"
        # Every line that it prints works, word for word but for what is the reader's own.
        commands = commands.replace("https://YOUR-HOST/YOUR-IMAGE.jpg", pixel).replace("YOUR-FOLDER", "photo.jpg")
        commands = commands.replace("IMAGE_ID", document["image_id"]).replace("imports/ID", f"imports/{import_id}")
        assert run_lines(commands, tmp_path).stdout.count('"imports":') == 1
        assert (tmp_path / "photo.jpg").read_bytes().startswith(b"GIF89a")
        sent = run_import(commands, tmp_path)
        assert re.search(r"^done\t\S+\tphoto\.jpg$", sent, flags=re.MULTILINE)

        # In the same folder, on the port that is taken: either may run the import of the other.
        beside = lading("demo", "--once", "--port", str(port), cwd=tmp_path)
        assert (beside.status, complaints(beside.stderr)) == (0, [])
        assert f"Port {port} is not available (Address already in use); the demo picks a free port." in beside.stdout
        assert SAME.search(beside.stdout)

        assert len(session_members(demo.process.pid)) > 1
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(10) == 0
        assert demo.printed.endswith("\nStopping.\n")
        assert session_members(demo.process.pid) == set()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_demo_that_is_stopped_on_its_way_ends_well(tmp_path: Path, number: signal.Signals) -> None:
    conf = tmp_path / ".lading-demo" / "service.conf"
    with running_demo(tmp_path) as demo:
        wait_until(conf.exists)
        demo.process.send_signal(number)
        assert demo.process.wait(10) == 0
        # It may have come to its end, or not; it never complains.
        assert re.search("Traceback|Error|error  ", demo.printed) is None
        assert session_members(demo.process.pid) == set()
