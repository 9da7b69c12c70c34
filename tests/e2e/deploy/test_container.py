"""The image of ``deploy/container``: the steps of its Containerfile, in a fresh root, end in a service that imports.

There need be no container engine: ``mmdebstrap`` makes the roots, and the steps run by ``chroot``. The result is
mounted read-only, and runs as the user that the Containerfile names. pip gets the packages that this environment's pip
has downloaded.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from lading.service.api.admin.operations import is_own_name
from lading.service.config import load_all
from tests.support.servers.programs import program

ROOT: Final = Path(__file__).parents[3]
CONTAINER: Final = ROOT / "deploy" / "container"
CONSTRAINTS: Final = ROOT / "deploy" / "constraints.txt"
BASE: Final = "docker.io/library/debian:bookworm-slim"
PYTHON: Final = "3.11.2"
EXTRAS: Final = ("s3", "gcs", "docs", "otel")
OFFLINE: Final = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}


@dataclass
class Stage:
    """A stage of the Containerfile, with the folder that is its root."""

    root: Path
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    folder: str = "/"
    user: str = ""
    entrypoint: list[str] = field(default_factory=list)


class Build:
    """Follows the Containerfile.

    Args:
        folder: for the roots; it takes 1 GB.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._base = folder / "base"
        self._wheels = folder / "wheels"
        self._stages: dict[str, Stage] = {}

    def run(self) -> Stage:
        """The last stage."""
        context(self._folder / "context")
        # Of the sources as they are, and for the Python of the base.
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--only-binary=:all:",
            "--python-version",
            PYTHON,
            "--constraint",
            str(CONSTRAINTS),
        ]
        subprocess.run([*command, "--dest", self._wheels, *requirements(), "setuptools>=77,<81", "wheel"], check=True)
        mmdebstrap = [program("mmdebstrap", "mmdebstrap"), "--variant=apt", "--quiet", "bookworm", str(self._base)]
        subprocess.run(mmdebstrap, check=True, stdin=subprocess.DEVNULL)
        stage = Stage(self._base)
        for word, rest in instructions():
            if word == "FROM":
                stage = self._begin(rest)
            else:
                self._follow(stage, word, rest)
        return stage

    def _begin(self, image: str) -> Stage:
        base, _, name = image.partition(" AS ")
        assert base == BASE
        root = self._folder / f"stage{len(self._stages)}"
        subprocess.run(["cp", "-a", self._base, root], check=True)
        self._stages[name] = stage = Stage(root)
        return stage

    def _follow(self, stage: Stage, word: str, rest: str) -> None:
        if word == "RUN":
            with inside(stage.root, self._wheels):
                chroot(stage, ["sh", "-c", rest], OFFLINE)
        elif word == "COPY":
            *options, source, target = shlex.split(rest)
            place = stage.root / (stage.folder + "/" + target if target == "." else target).lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            base = self._stages[options[0].removeprefix("--from=")].root if options else self._folder / "context"
            subprocess.run(["cp", "-a", f"{base / source.lstrip('/')}/.", place], check=True)
        elif word == "ENV":
            stage.environ |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = rest
        elif word == "ENTRYPOINT":
            stage.entrypoint = json.loads(rest)
        else:
            assert word in ("CMD", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "VOLUME"), word


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, each with its arguments on one line."""
    lines = (CONTAINER / "Containerfile").read_text(encoding="utf-8").splitlines()
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in lines if not line.startswith("#")))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def requirements() -> list[str]:
    """What Lading needs with the extras of the image."""
    assert f".[{','.join(EXTRAS)}]" in (CONTAINER / "Containerfile").read_text(encoding="utf-8")
    needed = [Requirement(one) for one in requires("lading") or ()]
    wanted = [
        one for one in needed if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in EXTRAS)
    ]
    return [f"{one.name}{one.specifier}" for one in wanted]


def context(folder: Path) -> None:
    """What ``.containerignore`` leaves of the sources."""
    folder.mkdir()
    kept = [line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")]
    for source in (ROOT / name for name in kept):
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / source.name, symlinks=True, ignore=ignored)
        else:
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def inside(root: Path, wheels: Path | None = None, data: Path | None = None) -> Iterator[None]:
    """The folders that a container engine mounts; with ``data``, on a root that is read-only."""
    mounts = [(["-t", "proc", "proc"], "proc"), (["-t", "tmpfs", "tmpfs"], "tmp"), (["--bind", "/dev"], "dev")]
    mounts += [(["--bind", str(wheels)], "wheels")] if wheels else []
    mounts += [(["--bind", str(data)], "var/lib/lading")] if data else []
    with ExitStack() as stack:
        if data:
            subprocess.run(["mount", "--bind", root, root], check=True)
            stack.callback(_unmount, root)
            subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
        else:
            shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
        for options, place in mounts:
            if not data:
                (root / place).mkdir(exist_ok=True)
            subprocess.run(["mount", *options, root / place], check=True)
            stack.callback(_unmount, root / place)
        yield


def chroot(stage: Stage, command: list[str], environ: Mapping[str, str] = {}, *, check: bool = True) -> str:
    """Run a command in a stage; what it prints."""
    user = ["--userspec", stage.user] if stage.user else []
    script = 'cd "$1" && shift && exec "$@"'
    done = subprocess.run(
        [program("chroot", "coreutils"), *user, stage.root, "sh", "-c", script, "sh", stage.folder, *command],
        env={**stage.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or not check, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


@pytest.mark.long_form
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts, and makes roots with devices")
def test_the_image_imports_as_a_user_without_privileges_on_a_read_only_root(tmp_path: Path) -> None:
    stage = Build(tmp_path).run()
    assert stage.user not in ("", "root", "0")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, *map(int, stage.user.split(":")))
    with inside(stage.root, data=data):
        assert "Read-only file system" in chroot(stage, ["touch", "/opt/lading/x"], check=False)
        assert "ok: documents in sqlite" in chroot(stage, [*stage.entrypoint, "check"])
        traced = {"LADING_OTEL__ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
        assert "ok: documents in sqlite" in chroot(stage, [*stage.entrypoint, "check"], traced)
        told = chroot(stage, [*stage.entrypoint, "demo", "--once"])
        for tool in ("gcc", "pip", "git"):
            assert chroot(stage, ["sh", "-c", f"command -v {tool} || echo none"]).strip() == "none"
    assert "identical to the origin's" in told


def test_the_python_of_the_image_takes_every_version_of_a_release() -> None:
    pins = [Requirement(line) for line in CONSTRAINTS.read_text().splitlines() if line and not line.startswith("#")]
    installed = [distribution(pin.name) for pin in pins]
    tried = [one for pin, one in zip(pins, installed, strict=True) if pin.specifier.contains(one.version)]
    assert len(tried) > len(pins) / 2, "what else is installed here says nothing about them"
    refusing = [
        f"{one.name} {one.version} needs {needed}"
        for one in tried
        if (needed := one.metadata["Requires-Python"]) and not SpecifierSet(needed).contains(PYTHON)
    ]
    assert refusing == []


def test_the_options_of_the_image_and_of_compose_exist(tmp_path: Path) -> None:
    image = {
        name: value
        for word, rest in instructions()
        if word == "ENV"
        for name, value in (pair.split("=", 1) for pair in shlex.split(rest))
        if name.startswith("LADING_")
    }
    settings, _ = load_all(None, image)
    assert settings.service.address == "0.0.0.0"
    compose: dict[str, Any] = yaml.safe_load((CONTAINER / "compose.yaml").read_text(encoding="utf-8"))
    for name in ("lading", "worker"):
        service = compose["services"][name]
        settings, _ = load_all(None, image | service["environment"])
        assert (settings.documents.backend, settings.storage.backend) == ("mongo", "s3")
        assert settings.worker.enabled == (name == "worker")
        assert service["read_only"]
        assert is_own_name(f"{name}.{compose['name']}_default:{settings.admin.port}", settings.admin.hosts)
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (CONTAINER / source).exists(), volume
