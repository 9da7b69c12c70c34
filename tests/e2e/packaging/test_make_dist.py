"""``make dist``, which fetches what Lading needs from a package index: in the long form of the tests alone."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

import lading
from tests.support.installed import MOMENT, copy_of_the_tree, run

VERSION = lading.__version__
NAMES = {
    "SHA256SUMS",
    f"lading-{VERSION}-constraints.txt",
    f"lading-{VERSION}-notes.md",
    f"lading-{VERSION}-py3-none-any.whl",
    f"lading-{VERSION}.cdx.json",
    f"lading-{VERSION}.tar.gz",
}
NOBODY = {f"GIT_{who}_{what}": "nobody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
DATES = {f"GIT_{who}_DATE": f"{MOMENT} +0000" for who in ("AUTHOR", "COMMITTER")}


def repository(folder: Path) -> Path:
    """This tree, changes and all, as one commit."""
    copy_of_the_tree(folder)
    for name in (".ci", ".containerignore", ".gitignore"):
        source = Path(__file__).parents[3] / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
    environ = {**os.environ, **NOBODY, **DATES}
    for command in ("init --quiet", "add --all", "commit --quiet --message=all"):
        run("git", *command.split(), cwd=folder, environ=environ)
    return folder


def make_dist(tree: Path, **environ: str) -> str:
    """What it prints; the environment of the tests stands for that of the tree, and is not made anew."""
    make, here = shutil.which("make"), Path(sys.prefix)
    assert make is not None
    options = (f"VENV={here}", "-o", f"{here}/.installed-test")
    return run(make, "dist", *options, cwd=tree, environ={**os.environ, **environ})


@pytest.mark.long_form
@pytest.mark.timeout(900)
def test_two_builds_of_a_commit_have_the_same_bytes_and_the_wheel_works(tmp_path: Path) -> None:
    first = repository(tmp_path / "first")
    printed = make_dist(first)
    built = {path.name: path.read_bytes() for path in (first / "dist").iterdir()}
    assert set(built) == NAMES
    assert printed.count("PASSED") == 2
    assert "identical to the origin's" in printed
    assert printed.rstrip().endswith(f"lading, version {VERSION}")
    # Elsewhere, with other modes of files and other times; another zone, and untracked files beside.
    second = tmp_path / "a much longer name"
    run("git", "clone", "--quiet", str(first), str(second), cwd=tmp_path)
    for path in second.rglob("*"):
        if ".git" not in path.parts and not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o020)
    (second / "lading" / "untracked.py").write_text("")
    mask = os.umask(0o077)
    try:
        make_dist(second, TZ="Pacific/Auckland")
    finally:
        os.umask(mask)
    assert [name for name in sorted(NAMES) if built[name] != (second / "dist" / name).read_bytes()] == []
    assert run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=first / "dist") == ""
    sums = built["SHA256SUMS"].decode().splitlines()
    assert sums == [f"{hashlib.sha256(built[name]).hexdigest()}  {name}" for name in sorted(NAMES - {"SHA256SUMS"})]
    here = [str(tmp_path).encode(), sys.prefix.encode()]
    assert [name for name, content in built.items() if any(place in content for place in here)] == []


def test_a_tree_with_changes_is_no_release(tmp_path: Path) -> None:
    program = tmp_path / ".ci" / "dist.py"
    program.parent.mkdir()
    shutil.copy(Path(__file__).parents[3] / ".ci" / "dist.py", program)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "kept").touch()
    environ = {**os.environ, **NOBODY}
    for command in ("init --quiet", "add .ci", "commit --quiet --message=all"):
        run("git", *command.split(), cwd=tmp_path, environ=environ)
    with program.open("a") as file:
        file.write("# changed\n")
    with pytest.raises(AssertionError, match="commit them first"):
        run(sys.executable, "-P", str(program), cwd=tmp_path)
    assert (tmp_path / "dist" / "kept").exists()
