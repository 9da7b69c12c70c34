"""Programs that tests use, and how they start: without one a test is skipped, unless ``LADING_REQUIRE`` names it."""

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers.processes import wait_until


def program(name: str, package: str) -> str:
    """The path of a program of the system, from ``PATH`` or where Debian puts servers.

    Args:
        name: of the program, and in ``LADING_REQUIRE``.
        package: of Debian, which brings it.
    """
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    return located(name, name, path, f"install Debian's {package}")


def located(binary: str, name: str, path: str, remedy: str) -> str:
    """The path of a program.

    Args:
        binary: its file.
        name: in ``LADING_REQUIRE``.
        path: folders to look into, as ``PATH`` has them.
        remedy: what brings it.
    """
    found = shutil.which(binary, path=path)
    if found is None:
        raise missing(name, f"there is no {binary}: {remedy}")
    return found


def missing(name: str, reason: str) -> BaseException:
    """What skips a test where it is raised, or fails it where ``LADING_REQUIRE`` has the name of what is missing."""
    if name in os.environ.get("LADING_REQUIRE", "").split(","):
        return pytest.fail.Exception(f"{name} is required: {reason}")
    return pytest.skip.Exception(reason)


@contextmanager
def started(
    command: Sequence[str], log: Path, health: str, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block is left. It has started when it answers to a GET of ``health``. Blocks."""
    variables = {**os.environ, **(environ or {})}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=variables) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or _answers(health), 60)
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            yield process
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500  # it works, and wants a signature
    except OSError:
        return False
