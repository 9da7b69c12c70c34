"""Ctrl-C before a command has begun."""

import signal
import subprocess
import sys

INTERRUPTED_AT = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "lading.service.cli.main":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
{before}
import lading.__main__
print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)
"""


def started(before: str) -> "subprocess.CompletedProcess[str]":
    program = INTERRUPTED_AT.format(before=before)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)


def test_an_interrupt_while_modules_load_leaves_no_traceback() -> None:
    # The shell that began the tests may have had interrupts ignored, as those of a command in its background are.
    ended = started("signal.signal(signal.SIGINT, signal.default_int_handler)")
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_whoever_ignores_interrupts_still_does() -> None:
    ended = started("signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "True\n"
