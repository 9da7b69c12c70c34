"""A folder or a file gets its name when it is whole, in one step, and replaces nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.service.storages.backup import folders
from lading.service.storages.backup.folders import SUFFIX, BackupRefused


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_folder_appears_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    with folders.partial(tmp_path / "a" / "backup") as folder:
        assert folder == tmp_path / "a" / f"backup{SUFFIX}"
        with folders.new_text(folder / "text") as text:
            text.write("é\n")
        assert not (tmp_path / "a" / "backup").exists()
        folders.publish(folder, tmp_path / "a" / "backup")
    assert names_in(tmp_path / "a") == ["backup"]
    assert (mode_of(tmp_path / "a" / "backup"), mode_of(tmp_path / "a" / "backup" / "text")) == (0o700, 0o600)
    assert (tmp_path / "a" / "backup" / "text").read_bytes() == "é\n".encode()


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with folders.partial(tmp_path / "backup") as folder:
            (folder / "deep").mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names_in(tmp_path) == []


def test_what_a_killed_process_left_is_removed_and_what_a_live_one_has_is_not(tmp_path: Path) -> None:
    left = tmp_path / f"backup{SUFFIX}"
    (left / "images").mkdir(parents=True)
    (left / "images" / "a").touch()
    (left / "link").symlink_to(tmp_path)
    with folders.partial(tmp_path / "backup") as folder:
        assert names_in(folder) == []
        (folder / "mine").touch()
        with pytest.raises(BackupRefused, match="another process is writing"), folders.partial(tmp_path / "backup"):
            pass
        assert names_in(folder) == ["mine"]


def _nothing(_path: Path) -> None:
    pass


def _empty_folder(path: Path) -> None:
    path.mkdir()


def _file(path: Path) -> None:
    path.write_text("mine")


def _full_folder(path: Path) -> None:
    path.mkdir()
    (path / "mine").touch()


def _link(path: Path) -> None:
    path.symlink_to(path.parent)


def _loose_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("before", [_nothing, _empty_folder])
def test_a_new_name_or_an_empty_folder_is_taken(tmp_path: Path, before: Callable[[Path], None]) -> None:
    before(tmp_path / "backup")
    folders.check_absent(tmp_path / "backup")
    with folders.partial(tmp_path / "backup") as folder:
        (folder / "new").touch()
        folders.publish(folder, tmp_path / "backup")
    assert names_in(tmp_path / "backup") == ["new"]


@pytest.mark.parametrize("before", [_file, _full_folder, _link, _loose_link])
def test_whatever_is_there_stays(tmp_path: Path, before: Callable[[Path], None]) -> None:
    path = tmp_path / "backup"
    before(path)
    kept = path.lstat()
    with pytest.raises(BackupRefused, match="exists already"):
        folders.check_absent(path)
    with folders.partial(path) as folder:  # it appears after the check
        (folder / "new").touch()
        with pytest.raises(BackupRefused, match="exists already"):
            folders.publish(folder, path)
        with pytest.raises(BackupRefused, match="exists already"):
            folders.publish_file(folder / "new", path)
    assert os.path.samestat(path.lstat(), kept)
    assert not (tmp_path / f"backup{SUFFIX}").exists()


def test_there_must_be_room(tmp_path: Path) -> None:
    folders.check_space(tmp_path / "new" / "folder", 1)
    with pytest.raises(BackupRefused, match=r"^\d+ bytes are needed in .*, and \d+ are free$"):
        folders.check_space(tmp_path / "new" / "folder", 1 << 62)
