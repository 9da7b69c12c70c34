"""Writing and publishing one file, without an event loop."""

import ctypes
import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from lading.backends.local.files import TemporaryFile, UnnamedFile, identity_of
from lading.backends.local.transfers import Upload
from lading.backends.local.tree import Tree, storage_error
from lading.plugins.contracts import ObjectMetadata
from lading.plugins.errors import (
    ContentMismatch,
    ObjectExists,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from lading.plugins.testing.storage.support import KEY
from tests.unit.backends.local.local_support import SMALL, failing, save


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("has_unnamed", [True, False], ids=["unnamed", "named"])
def test_order_of_effects(tree: Tree, root: Path, monkeypatch: pytest.MonkeyPatch, has_unnamed: bool) -> None:
    effects: list[str] = []
    fsync, link, unlink = os.fsync, os.link, Path.unlink

    def name_of(descriptor: Any) -> str:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        path = Path(f"/proc/self/fd/{number}").readlink()
        return (
            "temporary" if path.suffix in (".part", " (deleted)") or "#" in path.name else str(path.relative_to(root))
        )

    def noted_fsync(descriptor: Any) -> None:
        fsync(descriptor)
        effects.append(f"fsync {name_of(descriptor)}")

    def noted_link(*arguments: Any, **options: Any) -> None:
        link(*arguments, **options)
        effects.append("link")

    def noted_unlink(path: Path, missing_ok: bool = False) -> None:
        if path.exists():
            effects.append("unlink")
        unlink(path, missing_ok)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted_link)
    monkeypatch.setattr(Path, "unlink", noted_unlink)
    if not has_unnamed:
        monkeypatch.setattr(UnnamedFile, "create", lambda _folder: None)
    save(tree)
    unlinked = [] if has_unnamed else ["unlink"]
    assert effects == ["fsync .", "fsync ab", "fsync temporary", "link", *unlinked, "fsync ab/cd"]


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    "metadata",
    [
        ObjectMetadata(SMALL.size + 1, SMALL.sha256, "image/png"),
        ObjectMetadata(SMALL.size - 1, SMALL.sha256, "image/png"),
    ],
)
def test_other_bytes_than_announced(tree: Tree, metadata: ObjectMetadata) -> None:
    with pytest.raises(ContentMismatch):
        save(tree, metadata=metadata)
    assert not tree.exists(KEY)


@pytest.mark.usefixtures("clean")
def test_an_abandoned_upload_is_not_published(tree: Tree) -> None:
    upload = Upload(tree, KEY, SMALL.size)
    upload.abandon()
    with pytest.raises(StorageUnavailable):
        upload.save(SMALL.whole())
    assert not upload.published
    assert not tree.exists(KEY)


@pytest.mark.usefixtures("clean")
def test_a_name_that_is_not_durable_is_taken_back(tree: Tree, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tree, "ab/cd/another")
    link = os.link

    def link_then_lose_the_disk(*arguments: Any, **options: Any) -> None:
        link(*arguments, **options)
        monkeypatch.setattr(os, "fsync", failing(errno.EIO))

    monkeypatch.setattr(os, "link", link_then_lose_the_disk)
    with pytest.raises(OSError, match="Input/output"):
        save(tree)
    assert [path.name for path in (root / "ab/cd").iterdir()] == ["another"]


@pytest.mark.usefixtures("clean")
def test_a_taken_key_is_durable_before_it_is_refused(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tree)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        save(tree)
    monkeypatch.undo()
    with pytest.raises(ObjectExists):
        save(tree)


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("refusal", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links(tree: Tree, root: Path, monkeypatch: pytest.MonkeyPatch, refusal: int) -> None:
    monkeypatch.setattr(os, "link", failing(refusal))
    save(tree)
    assert (root / KEY).read_bytes() == SMALL.whole()
    upload = Upload(tree, "other", SMALL.size)
    upload.begin()
    assert upload.file is not None
    upload.file.write(SMALL.whole())
    (root / "other").write_bytes(b"was quicker")
    with pytest.raises(ObjectExists):
        upload.publish()
    upload.release()
    assert (root / "other").read_bytes() == b"was quicker"


@pytest.mark.usefixtures("clean")
def test_without_hard_links_and_exclusive_renames(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibrary:
        def __init__(self, *_arguments: object, **_options: object) -> None:
            pass

    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    monkeypatch.setattr(ctypes, "CDLL", NoLibrary)
    with pytest.raises(PermissionError):
        save(tree)
    assert not tree.exists(KEY)


@pytest.mark.usefixtures("clean")
def test_short_writes(tree: Tree, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:777]))
    save(tree)
    assert (root / KEY).read_bytes() == SMALL.whole()


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("function", ["open", "write", "fsync", "link", "mkdir"])
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EFBIG, StorageFull),
        (errno.EROFS, StorageUnavailable),
        (errno.EACCES, StorageDenied),
        (errno.EIO, StorageUnavailable),
        (errno.ESTALE, StorageUnavailable),
    ],
)
def test_what_the_disk_refuses(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, function: str, number: int, expected: type[StorageError]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, function, failing(number))
        with pytest.raises(OSError, match=r".") as caught:
            save(tree)
    assert type(storage_error(caught.value)) is expected
    assert not tree.exists(KEY)
    save(tree)


@pytest.mark.parametrize(("umask", "file_mode", "folder_mode"), [(0o022, 0o640, 0o750), (0o077, 0o600, 0o700)])
def test_modes(tree: Tree, root: Path, umask: int, file_mode: int, folder_mode: int) -> None:
    before = os.umask(umask)
    try:
        save(tree)
    finally:
        os.umask(before)
    assert (root / KEY).stat().st_mode & 0o777 == file_mode
    assert (root / "ab/cd").stat().st_mode & 0o777 == folder_mode


def test_a_folder_that_was_removed_is_made_again(tree: Tree, root: Path) -> None:
    save(tree)
    tree.delete(KEY)
    (root / "ab/cd").rmdir()
    save(tree)
    assert tree.exists(KEY)


@pytest.mark.parametrize("lock_held", [True, False], ids=["during the sweep", "after the sweep"])
def test_a_new_file_that_is_taken_for_a_leftover(
    tree: Tree, root: Path, monkeypatch: pytest.MonkeyPatch, lock_held: bool
) -> None:
    flock, sweeps = fcntl.flock, iter([True])

    def swept(descriptor: Any, operation: int) -> None:
        if next(sweeps, False):
            for path in (root / ".incoming").iterdir():
                path.unlink()
            if lock_held:
                raise BlockingIOError
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", swept)
    file = TemporaryFile.create(tree.incoming)
    assert file.path.exists()
    file.discard()
    assert not list((root / ".incoming").iterdir())


def test_a_sweep_that_never_ends(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(errno.EWOULDBLOCK))
    with pytest.raises(BlockingIOError):
        TemporaryFile.create(tree.incoming)
    assert not list(tree.incoming.iterdir())


def test_an_open_file_has_one_identity_whatever_path_names_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"bytes")
    with path.open("rb") as file:
        number = file.fileno()
        for name in (path, Path(f"/proc/{os.getpid()}/fd/{number}"), Path(f"/proc/self/fd/{number}")):
            assert identity_of(name) == identity_of(path), name
    closed = f"/proc/{os.getpid()}/fd/999999999"
    for gone in (Path(closed), Path(closed) / "more"):
        with pytest.raises(OSError, match=r"Bad file descriptor|No such file"):
            identity_of(gone)
