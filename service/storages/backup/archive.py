"""The format of a backup: a folder.

It has these files, all readable by its owner alone, since the database holds the secrets of issuers:

- ``backup.json``: what the backup is, with size and SHA-256 of the other two files.
- ``documents.sqlite3``: the database as of one moment.
- ``images.jsonl``: the manifest, one JSON object a line for each object that the documents need, in the
  storages that ``[storage]`` names.
- ``images/``: the objects that were copied, as the plugin ``local`` keeps them.

This module blocks.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from .folders import BackupRefused, open_new

FORMAT: Final = 1
"""Of the folder; a Lading refuses what is newer."""
FACTS: Final = "backup.json"
DATABASE: Final = "documents.sqlite3"
MANIFEST: Final = "images.jsonl"
IMAGES: Final = "images"


class State(StrEnum):
    """The state of an object in a backup."""

    COPIED = "copied"
    LISTED = "listed"
    """Its storage keeps no files on this machine, or nobody asked for images: it is not in the backup."""
    DELETED = "deleted"
    """The image was deleted after the database was copied."""
    FAILED = "failed"
    """Its storage does not have the imported bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the manifest.

    Attributes:
        key, byte_size, sha256: of the object.
        import_id: the import that has the object, or has the first share in it.
        storage, mirror: the storages that have it.
        state: whether the backup has it.
    """

    key: str
    byte_size: int
    sha256: str
    import_id: str
    storage: str
    mirror: str | None
    state: State

    @property
    def places(self) -> tuple[str, ...]:
        """The storages that have it, the main storage first."""
        return (self.storage,) if self.mirror is None else (self.storage, self.mirror)

    def line(self) -> str:
        """As in the manifest."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")) + "\n"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Size and SHA-256 of a file."""

    byte_size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Facts:
    """``backup.json``.

    Attributes:
        lading: the version that made the backup.
        created_at: when, RFC 3339.
        schema_version: of the database.
        objects: number of lines of the manifest, by state.
    """

    format: int
    lading: str
    created_at: str
    schema_version: int
    database: FileFacts
    manifest: FileFacts
    objects: dict[str, int]

    def write(self, folder: Path) -> None:
        """Write the file, which makes the backup whole.

        Raises:
            OSError: it cannot be written.
        """
        with open_new(folder / FACTS) as descriptor:
            os.write(descriptor, (json.dumps(asdict(self), indent=2) + "\n").encode())
            os.fsync(descriptor)


def read_facts(folder: Path) -> Facts:
    """What a backup says of itself.

    Raises:
        BackupRefused: the folder is no backup, or one of a newer Lading.
    """
    try:
        read: dict[str, Any] = json.loads((folder / FACTS).read_bytes())
        if read["format"] > FORMAT:
            raise BackupRefused(
                f"{folder} is a backup of format {read['format']}, newer than {FORMAT}, the newest that this version "
                f"of Lading knows: restore it with Lading {read['lading']}"
            )
        files = {name: FileFacts(**read[name]) for name in ("database", "manifest")}
        return Facts(**{**read, **files})
    except OSError as error:
        raise BackupRefused(f"{folder} is not a whole backup: {FACTS}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BackupRefused(f"{folder} is not a backup of Lading: {FACTS} is damaged") from error


def entries(folder: Path) -> Iterator[Entry]:
    """The lines of a manifest whose SHA-256 is the recorded one.

    Raises:
        OSError: it cannot be read.
    """
    with (folder / MANIFEST).open(encoding="utf-8") as lines:
        for line in lines:
            read = json.loads(line)
            yield Entry(**{**read, "state": State(read["state"])})


def facts_of(path: Path) -> FileFacts:
    """Size and SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileFacts(os.fstat(file.fileno()).st_size, digest.hexdigest())


def check_file(path: Path, facts: FileFacts) -> None:
    """Make sure that a file is as it was recorded.

    Raises:
        BackupRefused: it is not, or it cannot be read.
    """
    try:
        found = facts_of(path)
    except OSError as error:
        raise BackupRefused(f"{path} cannot be read: {error.strerror}") from error
    if found != facts:
        raise BackupRefused(
            f"{path} is damaged: {found.byte_size} bytes with SHA-256 {found.sha256}, "
            f"instead of {facts.byte_size} bytes with SHA-256 {facts.sha256}"
        )
