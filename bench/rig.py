"""What every section is given: how much to measure, and where."""

import os
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


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
    """

    directory: Path
    mode: Mode = Mode.FULL
    img2dataset: Path | None = None

    @property
    def rounds(self) -> int:
        """How often everything is measured."""
        return self.choose(5, 3, 1)

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
        """Remove a folder, so that the disk holds the leavings of one run at a time, and write out what is left."""
        shutil.rmtree(self.directory / name, ignore_errors=True)
        os.sync()


def say(text: str) -> None:
    """Tell of the progress."""
    print(f"  {text}", file=sys.stderr, flush=True)
