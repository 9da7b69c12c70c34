"""What ``make dist`` does: build a release of the commit that is checked out into ``dist/``, and try it.

``--constraints`` is ``make constraints`` instead: it writes the newest versions into ``deploy/constraints.txt``.

Two builds of one commit have the same bytes, given the same versions of the tools: the commit's files are built, not
those of the folder, and its time (SOURCE_DATE_EPOCH, https://reproducible-builds.org/specs/source-date-epoch/) is the
time of every file. The bill of materials lists the versions of ``deploy/constraints.txt``.
"""

import argparse
import email
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = "s3,gcs,docs,otel"
"""What the bill of materials covers beside Lading itself: the extras that the container has."""
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
OLDEST = "3.11.2"
"""The Python of the container, Debian 12's. Newer ones take more versions, and this one must take all of the file."""
HEADING = """\
# The versions that this release was tried with: pip install -c constraints.txt 'lading[s3,gcs,docs,otel]'.
# Written by make constraints.
"""
PYTHON = (sys.executable, "-P", "-m")


def run(*command: str, cwd: Path, environ: Mapping[str, str]) -> None:
    """Run a command to its end. Raises ``subprocess.CalledProcessError`` if it fails."""
    subprocess.run(command, cwd=cwd, env=dict(environ), check=True)


def output(*command: str, cwd: Path = ROOT) -> str:
    """What a command prints, without the last line's end. Raises ``subprocess.CalledProcessError`` if it fails."""
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def notes(changelog: str, version: str) -> str:
    """The section of a version, without its heading. Raises ``ValueError`` if the changelog has none."""
    found = re.search(rf"^## {re.escape(version)} - .*\n((?:(?!## ).*\n?)*)", changelog, re.MULTILINE)
    if found is None:
        raise ValueError(f"CHANGELOG.md has no section of {version}")
    return found[1].strip("\n") + "\n"


def project(wheel: Path) -> str:
    """A ``pyproject.toml`` with the metadata of a wheel: cyclonedx-py reads the main component from such a file."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    fields = {
        "name": metadata["Name"],
        "version": metadata["Version"],
        "description": metadata["Summary"],
        "license": metadata["License-Expression"],
        "dependencies": [need for need in metadata.get_all("Requires-Dist", ()) if _covered(need)],
    }
    # JSON's strings and arrays of them are TOML's, too.
    return "[project]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())


def _covered(need: str) -> bool:
    extra = re.search(r'extra == "([^"]+)"', need)
    return extra is None or extra[1] in EXTRAS.split(",")


def check_out(folder: Path) -> None:
    """The commit's files, with the same modes whatever this machine's umask is."""
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    run("git", "-c", "tar.umask=022", "archive", f"--output={archive}", "HEAD", cwd=ROOT, environ=os.environ)
    # -p, or the umask of this machine would take bits away.
    run("tar", "-xpf", str(archive), "-C", str(folder), cwd=ROOT, environ=os.environ)


def venv_without_pip(environment: Path) -> Path:
    """An empty environment; its interpreter."""
    venv.create(environment, clear=True, with_pip=False)
    return environment / "bin" / "python"


def install(environment: Path, environ: Mapping[str, str], *arguments: str) -> Path:
    """Have pip install into a fresh environment, which has nothing else, not even pip; its interpreter."""
    python = venv_without_pip(environment)
    run(*pip(python), "install", *arguments, cwd=environment, environ=environ)
    return python


def pip(python: Path) -> tuple[str, ...]:
    """pip of this environment, at work in another."""
    return (*PYTHON, "pip", "--disable-pip-version-check", "--quiet", "--python", str(python))


def install_wheel(wheel: Path, environment: Path, constraints: Path, environ: Mapping[str, str]) -> Path:
    """Install a wheel and what it needs, in the versions of a release; the interpreter of the new environment."""
    python = install(environment, environ, "--constraint", str(constraints), f"{wheel}[{EXTRAS}]")
    # By its name, or the bill of materials would tell where the wheel lay.
    name, version = wheel.name.split("-")[:2]
    again = ("--no-deps", "--no-index", "--force-reinstall", "--find-links", str(wheel.parent), f"{name}=={version}")
    run(*pip(python), "install", *again, cwd=environment, environ=environ)
    return python


def constrain(work: Path) -> None:
    """Write the versions that pip takes today for the container's Python into ``deploy/constraints.txt``."""
    shutil.rmtree(work, ignore_errors=True)
    run(*PYTHON, "build", "--no-isolation", "--wheel", "--outdir", str(work), str(ROOT), cwd=ROOT, environ=os.environ)
    (wheel,) = work.glob("*.whl")
    python = venv_without_pip(work / "newest")
    choose = ("--dry-run", "--ignore-installed", "--report", "-")
    target = ("--only-binary=:all:", "--python-version", OLDEST, "--target", str(work / "nothing"))
    report = json.loads(output(*pip(python), "install", *choose, *target, f"{wheel}[{EXTRAS}]"))
    found = [one["metadata"] for one in report["install"]]
    pins = sorted((f"{one['name']}=={one['version']}" for one in found if one["name"] != "lading"), key=str.lower)
    CONSTRAINTS.write_text("\n".join([HEADING, *pins, ""]), encoding="utf-8")


def bill(python: Path, wheel: Path, target: Path, pyproject: Path, environ: Mapping[str, str], check: str) -> None:
    """Write the bill of materials of an environment (CycloneDX, JSON).

    Args:
        python: the environment's interpreter.
        wheel: the main component.
        target: the bill.
        pyproject: a file that may be written, for the tool.
        environ: the tool's environment variables.
        check: ``--validate`` has the tool compare the bill with its schema, 10 s of CPU; ``--no-validate`` leaves that.
    """
    pyproject.write_text(project(wheel), encoding="utf-8")
    options = ("--spec-version", "1.6", "--output-reproducible", "--pyproject", str(pyproject), check)
    command = (*PYTHON, "cyclonedx_py", "environment", *options, "--output-file", str(target), str(python))
    run(*command, cwd=target.parent, environ=environ)


def build(dist: Path, work: Path) -> None:
    """Build everything into an empty folder, and try it."""
    environ = {**os.environ, "SOURCE_DATE_EPOCH": output("git", "log", "-1", "--format=%ct")}
    source = work / "source"
    check_out(source)
    run(*PYTHON, "build", "--no-isolation", "--outdir", str(dist), str(source), cwd=work, environ=environ)
    run(*PYTHON, "twine", "check", "--strict", *map(str, sorted(dist.iterdir())), cwd=work, environ=environ)
    (wheel,) = dist.glob("*.whl")
    stem = "-".join(wheel.name.split("-")[:2])
    changelog = (source / "CHANGELOG.md").read_text(encoding="utf-8")
    (dist / f"{stem}-notes.md").write_text(notes(changelog, stem.split("-")[1]), encoding="utf-8")
    constraints = source / CONSTRAINTS.relative_to(ROOT)
    python = install_wheel(wheel, work / "environment", constraints, environ)
    shutil.copy(constraints, dist / f"{stem}-constraints.txt")
    bill(python, wheel, dist / f"{stem}.cdx.json", work / "pyproject.toml", environ, "--validate")
    sums = output("sha256sum", *sorted(path.name for path in dist.iterdir()), cwd=dist)
    (dist / "SHA256SUMS").write_text(f"{sums}\n", encoding="ascii")
    lading = str(python.with_name("lading"))
    run(lading, "demo", "--once", "--port", "0", cwd=work, environ=environ)
    run(lading, "--version", cwd=work, environ=environ)


def main() -> None:
    """Build a release, or write the constraints. An error ends it, with a status other than 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--constraints", action="store_true", help="write deploy/constraints.txt instead")
    dist, work = ROOT / "dist", ROOT / "build" / "dist"
    # The modes of files in a wheel follow it.
    os.umask(0o022)
    if parser.parse_args().constraints:
        constrain(work)
        return
    if output("git", "status", "--porcelain", "--untracked-files=no"):
        sys.exit("A release is built of a commit, and this tree has changes: commit them first.")
    for folder in (dist, work):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    build(dist, work)


if __name__ == "__main__":
    main()
