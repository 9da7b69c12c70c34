"""Disks that become full, and files that become read-only, while a service runs on them.

Both need root. Without it, or where the system refuses, a test is skipped, unless ``LADING_REQUIRE`` names ``disks``.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.programs import missing

BLOCK = 4096


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A folder on a disk of its own, in memory."""
    # Not below the test's folder, which pytest could not remove if this process were killed.
    folder = Path(tempfile.mkdtemp(prefix="lading-disk-"))
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", folder)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """The disk of the folder has no room left within the block."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(BLOCK))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def disk_with_attributes() -> Iterator[Path]:
    """A folder on a file system that keeps everybody from writing into immutable files, also who has them open."""
    with tempfile.TemporaryDirectory(prefix="lading-disk-", dir="/var/tmp") as folder:
        probe = Path(folder, "probe")
        with probe.open("wb", buffering=0) as file:
            with immutable(probe):
                try:
                    file.write(b"x")
                except PermissionError:
                    is_refused = True
                else:
                    is_refused = False
            if not is_refused:
                raise missing("disks", "immutable files are written by those who have them open")
        yield Path(folder)


@contextmanager
def immutable(*paths: Path) -> Iterator[None]:
    """Nobody can write into the files within the block (chattr(1), ``+i``)."""
    _run("chattr", "+i", *paths)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *paths], check=True)


def _run(*command: str | Path) -> None:
    if os.geteuid() != 0:
        raise missing("disks", "this is not root")
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise missing("disks", f"there is no {command[0]}") from None
    except subprocess.CalledProcessError as error:
        raise missing("disks", f"{command[0]}: {error.stderr}") from None
