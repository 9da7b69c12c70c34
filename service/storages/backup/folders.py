"""Files and folders that get their name only when they are whole, and replace nothing. Everything here blocks."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from ..free_space import existing_folder

SUFFIX: Final = ".lading-partial"
"""Ends the name of a folder that is not whole yet."""


class BackupRefused(Exception):
    """A backup cannot be made or restored here; the message says why, for the operator."""


def check_space(folder: Path, needed: int) -> None:
    """Make sure that a folder, which may not exist yet, has room for so many bytes.

    Raises:
        BackupRefused: it has not.
        OSError: the system does not say.
    """
    facts = os.statvfs(existing_folder(folder))
    free = facts.f_bavail * facts.f_frsize
    if facts.f_blocks and free < needed:
        raise BackupRefused(f"{needed} bytes are needed in {folder}, and {free} are free")


def check_absent(path: Path) -> None:
    """Make sure that nothing is at a path; an empty folder may be.

    Raises:
        BackupRefused: there is something.
        OSError: the system does not say.
    """
    if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
        return
    if path.exists() or path.is_symlink():
        raise BackupRefused(f"{path} exists already: name a new folder, or an empty one")


@contextmanager
def private() -> Iterator[None]:
    """Within the block, whatever this process makes is for its user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def open_new(path: Path) -> Iterator[int]:
    """The descriptor of a new file of mode 0600.

    Raises:
        OSError: it exists, or cannot be created.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def new_text(path: Path) -> Iterator[IO[str]]:
    """A new file of mode 0600 for text, which is on its disk at the end of the block.

    Raises:
        OSError: it exists, or cannot be written.
    """
    with open_new(path) as descriptor, os.fdopen(os.dup(descriptor), "w", encoding="utf-8", newline="\n") as file:
        yield file
        file.flush()
        os.fsync(descriptor)


@contextmanager
def partial(path: Path) -> Iterator[Path]:
    """An empty folder of mode 0700 beside ``path``, on the same disk: for what is not whole yet.

    It goes at the end of the block, unless it was moved. The next call removes what a killed process left in it.

    Raises:
        BackupRefused: another process uses it.
        OSError: it cannot be made.
    """
    folder = path.with_name(path.name + SUFFIX)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupRefused(f"another process is writing to {folder}") from error
        if not _is(folder, descriptor):
            raise BackupRefused(f"another process has just moved {folder}")
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        try:
            yield folder
        finally:
            if _is(folder, descriptor):
                shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def publish(folder: Path, path: Path) -> None:
    """Give a folder of ``partial`` its name, in one step. What is in it is on its disk already.

    Raises:
        BackupRefused: something is there meanwhile.
        OSError: it cannot be renamed.
    """
    sync_folder(folder)
    try:
        folder.rename(path)  # replaces an empty folder, and nothing else: rename(2)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise BackupRefused(f"{path} exists already") from error
        raise
    sync_folder(path.parent)


def publish_file(file: Path, path: Path) -> None:
    """Give a file of ``partial`` its name too, in one step. What is in it is on its disk already.

    Raises:
        BackupRefused: something is there meanwhile.
        OSError: it cannot be named so.
    """
    try:
        path.hardlink_to(file)
    except FileExistsError as error:
        raise BackupRefused(f"{path} exists already: a restore overwrites nothing") from error
    sync_folder(path.parent)


def check_alone(database: Path) -> None:
    """Make sure that all of a closed database is in its file, and nothing in a write-ahead log.

    Raises:
        BackupRefused: something is.
    """
    if database.with_name(database.name + "-wal").exists():
        raise BackupRefused(f"{database} is in use by another process")


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk.

    Raises:
        OSError: that is not possible.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is(folder: Path, descriptor: int) -> bool:
    """Whether a descriptor is that of the folder at a path."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
