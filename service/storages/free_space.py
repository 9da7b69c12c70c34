"""The room on the disks that images pass on their way: those of spools and of unfinished uploads."""

import errno
import os
import tempfile
from pathlib import Path
from typing import IO, Final

LEAST: Final = 1024**2
"""Bytes; a disk with less room is full, for every image that does not fit into memory."""
_PROBE: Final = bytes(64 * 1024)


def free_bytes(file: IO[bytes]) -> int:
    """The room on the disk of an empty temporary file, which the call writes to. Blocks.

    Raises:
        OSError: the disk has less room than ``LEAST``, or does not accept the bytes.
    """
    # The figure alone would not do: the share of a user may be used up (EDQUOT), and some file systems tell no figure.
    os.pwrite(file.fileno(), _PROBE, 0)
    facts = os.fstatvfs(file.fileno())
    free = facts.f_bavail * facts.f_frsize
    if facts.f_blocks and free < LEAST:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {free} bytes are free")
    return free


def free_bytes_in(folder: Path) -> int:
    """The room on the disk of a folder; if it is missing, of the folder in which it would be created. Blocks.

    Raises:
        OSError: as ``free_bytes``; also if the folder cannot be written.
    """
    with tempfile.TemporaryFile(dir=existing_folder(folder), buffering=0) as file:
        return free_bytes(file)


def existing_folder(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists. Blocks."""
    return next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
