"""What every section is given: how much to measure, and where."""

import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
CAUTION = 1.1
"""By how much the next round may take longer than the longest before it."""


class Mode(StrEnum):
    """How much is measured.

    Attributes:
        FULL: what the report is made of.
        QUICK: fewer rounds, and less in each: to see that a change helps.
        SMOKE: as little as possible: to see that the rig works.
    """

    FULL = "full"
    QUICK = "quick"
    SMOKE = "smoke"


@dataclass(frozen=True, slots=True)
class Rig:
    """A run.

    Attributes:
        directory: an empty folder for everything; what is put into it is gone afterwards.
        img2dataset: its command, or None where there is none.
        peers: the folder of the commands of other services, or None where there are none.
        ends: by when a section should be ready, as ``time.monotonic()`` tells it.
    """

    directory: Path
    mode: Mode = Mode.FULL
    img2dataset: Path | None = None
    peers: Path | None = None
    ends: float = float("inf")

    @property
    def rounds(self) -> int:
        """How often everything is measured."""
        return self.choose(5, 3, 1)

    def turns(self, names: Sequence[str], rounds: int = 0, share: float = 1.0) -> Iterator[str]:
        """Who is to be measured when: everyone once a round, and each round begins with another. A round is begun only
        if there is time for it; the first always.

        Args:
            names: of those that take turns.
            rounds: how many at most; those of the mode without.
            share: how much of the time that is left they may have.
        """
        began = time.monotonic()
        ends = began + share * (self.ends - began)
        longest = 0.0
        wanted = rounds or self.rounds
        for turn in range(wanted):
            start = time.monotonic()
            if turn and start + CAUTION * longest > ends:
                say(f"there was time for {turn} of {wanted} rounds")
                return
            yield from rotated(names, turn)
            longest = max(longest, time.monotonic() - start)

    def choose(self, full: T, quick: T, smoke: T) -> T:
        """One of these, by the mode."""
        return {Mode.FULL: full, Mode.QUICK: quick, Mode.SMOKE: smoke}[self.mode]

    def fresh(self, name: str) -> Path:
        """An empty folder; what was in it before is removed."""
        folder = self.directory / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def remove(self, name: str) -> None:
        """Set a folder aside, its files emptied, so that the disk holds the leavings of one run at a time, and write
        out what is left.
        """
        folder = self.directory / name
        if folder.exists():
            empty_files(folder)
            folder.rename(self.directory / f"aside-{uuid.uuid4().hex}")
        os.sync()


def empty_files(folder: Path) -> None:
    """Make all files below a folder empty, and let them be.

    Who makes files where others were deleted pays for that: ext4 passes over the inodes that were freed in the last
    minute one by one, each time that it looks for a free one (``recently_deleted`` in its ialloc.c). It cost more than
    all the rest of a save.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The names, from another one on for each turn."""
    first = turn % len(names)
    return [*names[first:], *names[:first]]


def say(text: str) -> None:
    """Tell of the progress."""
    print(f"  {text}", file=sys.stderr, flush=True)
