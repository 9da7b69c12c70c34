"""Clients from the npm registry, as they are published. They are installed when a test wants them.

Without Node.js a test is skipped, unless ``LADING_REQUIRE`` names ``npm``.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.servers.programs import missing


def need(*programs: str) -> None:
    """Skip the test where a program is missing, or fail, see above."""
    if any(shutil.which(program) is None for program in programs):
        raise missing("npm", "there is no Node.js with npm")


def install(folder: Path, *packages: str) -> Path:
    """Install packages, such as ``name@1.2.3``, into a folder; scripts in it may require them."""
    need("npm", "node")
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def start_node(folder: Path, script: str, **environ: str) -> "subprocess.Popen[str]":
    """Run a script in a folder with ``install``-ed packages; to be waited for by the caller."""
    path = folder / "script.js"
    path.write_text(script, encoding="utf-8")
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(["node", str(path)], cwd=folder, env={**os.environ, **environ}, text=True, **pipes)


def run_node(folder: Path, script: str, **environ: str) -> str:
    """Run a script to its end; what it printed."""
    with start_node(folder, script, **environ) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stdout + stderr
    return stdout
