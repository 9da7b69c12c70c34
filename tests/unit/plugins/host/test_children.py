"""What a child process may import is not decided by the working directory, nor by ``PYTHONPATH``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = "from lading.plugins.host.children import python_command; print(*python_command('x.y'), sep='\\n')"


def folders_of_a_child(cwd: Path, python_path: str) -> list[str]:
    """The import path that a process gives to its children, which was started in a folder with a ``PYTHONPATH``."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": python_path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return lines[lines.index("-c") + 2 :]


@pytest.mark.parametrize("written", ["{evil}", "{evil}/", "evil", "./x/../evil", "{evil}/../evil", "", "other:evil"])
def test_folders_that_are_added_do_not_reach_a_child(written: str, tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "x").mkdir()
    folders = folders_of_a_child(tmp_path, written.format(evil=tmp_path / "evil"))
    assert folders
    assert [folder for folder in folders if folder.startswith(str(tmp_path))] == []
