"""The folder of the local disk, without an event loop: containment, preparation, sweeping."""

import fcntl
import os
from pathlib import Path

import pytest

from lading.backends.local.files import probe
from lading.backends.local.tree import Tree
from lading.plugins.errors import KeyInvalid, ObjectNotFound, StorageUnavailable
from lading.plugins.testing.storage.support import KEY
from tests.unit.backends.local.local_support import SMALL, save

# --- containment ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    "key", ["", ".", "..", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", ".incoming/x", "a/.b", "a\0b"]
)
def test_a_key_that_leads_out(tree: Tree, key: str) -> None:
    for call in (tree.open, tree.exists, tree.delete, lambda bad: save(tree, bad)):
        with pytest.raises(KeyInvalid):
            call(key)


@pytest.mark.usefixtures("clean")
def test_a_folder_that_is_a_symbolic_link(tree: Tree, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "cd").mkdir(parents=True)
    (outside / "cd/object").write_bytes(b"secret")
    (root / "ab").symlink_to(outside)
    assert not tree.exists(KEY)
    with pytest.raises(ObjectNotFound):
        tree.open(KEY)
    tree.delete(KEY)
    with pytest.raises(KeyInvalid):
        save(tree)
    with pytest.raises(KeyInvalid):
        save(tree, "ab/cd/new")
    assert [(path.name, path.read_bytes()) for path in (outside / "cd").iterdir()] == [("object", b"secret")]


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("exists", [True, False])
def test_an_object_that_is_a_symbolic_link(tree: Tree, root: Path, tmp_path: Path, exists: bool) -> None:
    outside = tmp_path / "outside"
    if exists:
        outside.write_bytes(b"secret")
    (root / "link").symlink_to(outside)
    assert not tree.exists("link")
    with pytest.raises(ObjectNotFound):
        tree.open("link")
    with pytest.raises(KeyInvalid):
        save(tree, "link")
    tree.delete("link")
    assert outside.exists() == exists
    assert (root / "link").is_symlink()


@pytest.mark.usefixtures("clean")
def test_something_that_is_not_a_file(tree: Tree, root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert not tree.exists("pipe")
    with pytest.raises(ObjectNotFound):
        tree.open("pipe")


def test_the_root_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to("disk")
    tree = Tree(tmp_path / "root")
    tree.prepare()
    save(tree)
    assert (tmp_path / "disk" / KEY).read_bytes() == SMALL.whole()


# --- the root and what is left in it ----------------------------------------------------------------------------------


def test_prepare_creates_what_is_missing(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "a/b/c")
    tree.prepare()
    tree.prepare()
    probe(tree)
    assert (tmp_path / "a/b/c/.incoming").is_dir()


@pytest.mark.parametrize("present", [True, False], ids=["an empty mount point", "nothing"])
def test_a_root_that_has_gone_is_an_outage(tree: Tree, root: Path, present: bool) -> None:
    save(tree)
    root.rename(root.with_name("elsewhere"))
    if present:
        root.mkdir()
    for call in (tree.exists, tree.delete, tree.open, lambda key: save(tree, key)):
        with pytest.raises(StorageUnavailable):
            call(KEY)
    with pytest.raises(FileNotFoundError):
        probe(tree)
    assert root.exists() == present


def test_the_sweep_takes_what_nobody_holds(tree: Tree, root: Path) -> None:
    incoming = root / ".incoming"
    (incoming / "dead.part").write_bytes(b"x")
    (incoming / "another-file").write_bytes(b"x")
    with (incoming / "alive.part").open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        tree.prepare()
        assert sorted(path.name for path in incoming.iterdir()) == ["alive.part", "another-file"]
    tree.prepare()
    assert [path.name for path in incoming.iterdir()] == ["another-file"]
