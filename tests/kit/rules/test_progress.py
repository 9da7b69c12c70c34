"""What a terminal shows of a case that takes long."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SLOW: Final = """
import asyncio
from pathlib import Path
from lading import pytest_plugin
from lading.plugins.testing.suite import Suite

pytest_plugin.NEWS_SECONDS = 0.05

class SlowSuite(Suite):
    async def test_it_takes_long(self):
        while not Path("seen").exists():
            await asyncio.sleep(0.01)

class TestSlow(SlowSuite):
    pass
"""
QUIET: Final = """
import threading
from lading.plugins.testing.suite import Suite

class QuietSuite(Suite):
    async def test_nobody_counts(self):
        assert "lading news" not in [thread.name for thread in threading.enumerate()]

class TestQuiet(QuietSuite):
    pass
"""
SAID: Final = b"test_slow.py::TestSlow::test_it_takes_long runs for 0 s; the kit ends it after"


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Pytest with Lading's plugin alone."""
    (tmp_path / "pytest.ini").touch()
    return [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:tornado"]


def test_a_terminal_is_told_which_case_takes_long(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "test_slow.py").write_text(SLOW)
    ours, terminal = pty.openpty()
    process = subprocess.Popen(command, stdout=terminal, stderr=terminal, cwd=tmp_path)
    os.close(terminal)
    shown = b""
    with process, os.fdopen(ours, "rb", buffering=0) as screen:
        try:
            while piece := screen.read(4096):
                shown += piece
                if SAID in shown:
                    (tmp_path / "seen").touch()
        except OSError:  # so a terminal ends that no process has open any more
            pass
    assert SAID in shown, shown.decode(errors="replace")
    assert b"1 passed" in shown, shown.decode(errors="replace")


def test_no_terminal_is_not(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "test_quiet.py").write_text(QUIET)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert "1 passed" in done.stdout, done.stdout
