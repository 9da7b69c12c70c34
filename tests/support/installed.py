"""Lading as it is installed from a wheel, in fresh virtual environments that are made in a second.

What a distribution declares to need is linked from the environment of the tests, so that a fresh environment has what
is declared, and no more. Where something is missing here, pip fetches it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
MOMENT = "1764547200"
"""Seconds since 1970 that the files of a distribution say, as those of a release say the time of its commit."""
NOT_COPIED = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "lading-data")
_PIP = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str, cwd: Path, environ: dict[str, str] | None = None) -> str:
    """Run a command to its end, which is to be a good one; everything that it printed."""
    done = subprocess.run(
        command, cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def copy_of_the_tree(folder: Path) -> Path:
    """A copy of this tree, links and all, to build in; this one stays clean."""
    shutil.copytree(ROOT, folder, symlinks=True, ignore=NOT_COPIED)
    return folder


def build_wheels(sources: Sequence[Path], folder: Path) -> list[Path]:
    """Build a wheel of each source folder, or of an sdist, into a folder."""
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    run(*_PIP, "wheel", *options, *map(str, sources), cwd=folder.parent)
    return sorted(folder.iterdir())


def build_sdist(source: Path, folder: Path) -> Path:
    """Build the sdist of a source folder into a folder, as build frontends do."""
    program = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    environ = {**os.environ, "SOURCE_DATE_EPOCH": MOMENT}
    run(sys.executable, "-P", "-c", program, str(folder), cwd=source, environ=environ)
    (sdist,) = folder.iterdir()
    return sdist


@dataclass(frozen=True, slots=True)
class Distributions:
    """What is published of this tree.

    Attributes:
        sdist: the source distribution.
        wheel: the wheel that is built from it.
    """

    sdist: Path
    wheel: Path


def shared_distributions(base: Path) -> Distributions:
    """They are built once for all processes of a run of the tests, whose folder ``base`` is."""
    base.mkdir(parents=True, exist_ok=True)
    sdists, wheels, tree = (base / name for name in ("sdists", "wheels", "tree"))
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not wheels.exists():
            sdists.mkdir()
            building = base / "building"
            build_wheels([build_sdist(copy_of_the_tree(tree), sdists)], building)
            shutil.rmtree(tree)
            building.rename(wheels)
    return Distributions(next(sdists.iterdir()), next(wheels.iterdir()))


class Environment:
    """A virtual environment without anything.

    Attributes:
        folder: where it is; ``venv`` in it is the environment itself.
        python: its interpreter.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv" / "bin" / "python"
        venv.create(folder / "venv", with_pip=False)

    @property
    def environ(self) -> dict[str, str]:
        """Nothing of the environment of the tests themselves but where programs are."""
        return {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(self.folder)}

    @property
    def site(self) -> Path:
        """Where its packages are."""
        return Path(self.run("-c", "import site; print(site.getsitepackages()[0])").strip())

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run its Python to its end; everything that was printed."""
        return run(str(self.python), *arguments, cwd=cwd or self.folder, environ=self.environ)

    def lading(self, *arguments: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> str:
        """Run its ``lading`` to its end, as it lies on a user's PATH; everything that was printed."""
        command = (str(self.python.with_name("lading")), *arguments)
        return run(*command, cwd=cwd or self.folder, environ={**self.environ, **(environ or {})})

    def install(self, *packages: str) -> None:
        """Install packages as pip does: wheels, or names, and options of pip among them."""
        run(*_PIP, "--python", str(self.python), "install", *packages, cwd=self.folder)

    def link_needed(self, requirement: str) -> None:
        """Link the distributions that a requirement asks for, and those that they ask for, into it.

        The first is left out: it is installed otherwise.
        """
        first = Requirement(requirement)
        waiting, seen = [(first.name, extra) for extra in ("", *first.extras)], set[tuple[str, str]]()
        while waiting:
            name, extra = waiting.pop()
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for needed in map(Requirement, distribution(name).requires or ()):
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting += [(canonicalize_name(needed.name), each) for each in ("", *needed.extras)]
        site = self.site
        for name in {name for name, _ in seen} - {first.name}:
            for file in distribution(name).files or ():
                source, target = Path(str(file.locate())), site / file
                if ".." not in file.parts and source.is_file():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if not target.exists():
                        target.symlink_to(source)
