"""Tests that are killed leave none of the commands running that they have started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers.commands import ROOT
from tests.support.servers.processes import wait_until

STARTS_A_SERVICE = """
import os, sys
from tests.support.servers.commands import Command

arguments = ["serve", "--config", sys.argv[1]]
command = Command({"arguments": arguments, "cwd": os.getcwd(), "environ": dict(os.environ), "session": True}, [0, 2, 2])
print(command.pid, flush=True)
command.wait()
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_service_ends_with_the_tests_that_started_it(number: int, tmp_path: Path) -> None:
    conf = tmp_path / "service.conf"
    conf.write_text(f"[service]\nport = 0\n[documents.sqlite]\npath = {tmp_path / 'lading.sqlite3'}\n")
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_A_SERVICE, str(conf)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ROOT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as tests:
        assert tests.stdout is not None
        service = int(tests.stdout.readline())
        assert is_running(service)
        tests.send_signal(number)
    wait_until(lambda: not is_running(service))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
