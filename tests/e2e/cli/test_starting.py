"""Ctrl-C before a command has begun."""

import signal
import subprocess
import sys

import pytest

INTERRUPTED_AT = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
{before}
from lading.__main__ import main
main.get_command(None, "serve")
print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)
"""


MODULES = pytest.mark.parametrize("module", ["lading.service.cli.main", "lading.service.cli.process.running"])


def started(before: str, module: str) -> "subprocess.CompletedProcess[str]":
    program = INTERRUPTED_AT.format(before=before, module=module)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)


@MODULES
def test_an_interrupt_while_modules_load_leaves_no_traceback(module: str) -> None:
    # The shell that began the tests may have had interrupts ignored, as those of a command in its background are.
    ended = started("signal.signal(signal.SIGINT, signal.default_int_handler)", module)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


@MODULES
def test_whoever_ignores_interrupts_still_does(module: str) -> None:
    ended = started("signal.signal(signal.SIGINT, signal.SIG_IGN)", module)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "True\n"
