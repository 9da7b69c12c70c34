"""Disks of their own for what a service writes to, small enough to be filled, and to be made read-only.

Each is a file system of ext4 in a file of its own (loop device); where the machine allows no mounts there are plain
folders, and the reason why nothing can be filled.
"""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

SIZE: Final = 768 << 20
"""Bytes; the files are sparse."""
_PIECES: Final = (64 << 20, 1 << 20, 64 << 10, 4 << 10)


class NoMounts(Exception):
    """This machine, or this user, cannot mount."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder on a file system of its own.

    Attributes:
        name: what is kept there.
        mount: where the file system is.
        folder: the folder on it that the service is told of.
    """

    name: str
    mount: Path
    folder: Path

    @contextmanager
    def full(self) -> Iterator[None]:
        """No byte is free within the block, but for what others free."""
        ballast = self.mount / "ballast"
        descriptor = os.open(ballast, os.O_CREAT | os.O_WRONLY)
        try:
            offset = 0
            for piece in _PIECES:
                while True:
                    try:
                        os.posix_fallocate(descriptor, offset, piece)
                    except OSError as error:
                        if error.errno != errno.ENOSPC:
                            raise
                        offset = os.fstat(descriptor).st_size
                        break
                    offset += piece
            yield
        finally:
            os.close(descriptor)
            ballast.unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be opened for writing, created or removed within the block (EROFS)."""
        # Made read-only where nobody knows it: here somebody might open a file for writing in between.
        hidden = self.mount / "read-only"
        hidden.mkdir(exist_ok=True)
        _run("mount", "--bind", str(self.folder), str(hidden))
        try:
            _run("mount", "-o", "remount,bind,ro", str(hidden))
            _run("mount", "--bind", str(hidden), str(self.folder))
        finally:
            _run("umount", str(hidden))
        try:
            yield
        finally:
            _run("umount", "--lazy", str(self.folder))

    @contextmanager
    def immutable(self) -> Iterator[None]:
        """Not even files that are open can be written to within the block (chattr +i, EPERM).

        Memory that is mapped from such a file cannot be written either: the kernel ends who does (SIGBUS). That would
        be a kill like others, so SQLite's shared memory is left alone.
        """
        try:
            for path in (self.folder, *self.folder.rglob("*")):
                if not path.name.endswith("-shm"):
                    _run("chattr", "+i", str(path))
            yield
        finally:
            _run("chattr", "-R", "-f", "-i", str(self.folder))


@contextmanager
def disks(directory: Path, names: tuple[str, ...]) -> Iterator[Mapping[str, Disk]]:
    """Mounted disks for these names; unmounted after the block.

    Raises:
        NoMounts: there cannot be any.
    """
    with ExitStack() as stack:
        yield {name: stack.enter_context(_disk(directory, name)) for name in names}


@contextmanager
def _disk(directory: Path, name: str) -> Iterator[Disk]:
    image, mount = directory / f"{name}.ext4", directory / f"disk-{name}"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE)
    try:
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-i", "8192", str(image))
        _run("mount", "-o", "loop,noatime", str(image), str(mount))
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoMounts(str(getattr(error, "stderr", None) or error).strip()) from error
    try:
        folder = mount / name
        folder.mkdir()
        yield Disk(name, mount, folder)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            _run("umount", "--lazy", str(mount))
        image.unlink()


def without_mounts(reason: str) -> None:
    """Note that disks cannot be filled here, or fail where they are required."""
    if "mount" in os.environ.get("LADING_REQUIRE", "").split(","):
        pytest.fail(f"disks of their own are required: {reason}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
