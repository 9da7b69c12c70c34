"""What is remembered of folders: exactly those that were added, in little memory."""

import pytest

import backends.local_folders
from backends.local_folders import DurableFolders


def test_only_what_was_added_is_known() -> None:
    folders = DurableFolders()
    added = [
        "ab",
        "ab/cd",
        "00/00",
        "ff/ff",
        "ab/cd/ef",
        "AB/CD",
        "a/bcd",
        "abc/d",
        "ab/c",
        "ab/cde",
        "\uff11\uff11/00",
        "",
    ]
    for path in added:
        assert path not in folders
        folders.add(path)
        assert path in folders
    for path in ("cd", "cd/ab", "00/01", "ab/ef", "Ab/Cd", "ab/cd/", "/ab/cd", "ab//cd", "ab/cd\n"):
        assert path not in folders


def test_every_folder_of_the_service_is_told_from_every_other() -> None:
    folders = DurableFolders()
    for number in range(0, 65_536, 3):
        folders.add(f"{number >> 8:02x}/{number & 255:02x}")
    known = [number for number in range(65_536) if f"{number >> 8:02x}/{number & 255:02x}" in folders]
    assert known == list(range(0, 65_536, 3))
    assert folders._others == set()


def test_others_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends.local_folders, "MAX_OTHERS", 10)
    folders = DurableFolders()
    for number in range(1000):
        folders.add(f"album {number}")
        assert f"album {number}" in folders
        assert len(folders._others) <= 10
