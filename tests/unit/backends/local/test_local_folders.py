"""What is remembered of folders: exactly those that were added, in little memory."""

import pytest

import lading.backends.local.folders
from lading.backends.local.folders import DurableFolders


def test_only_what_was_added_is_known() -> None:
    folders = DurableFolders()
    for path in ("ab", "ab/cd", "ab/cd/ef", "AB", "\uff11\uff11", ""):
        assert path not in folders
        folders.add(path)
        assert path in folders
    for path in ("cd", "cd/ab", "Ab", "ab/", "/ab", "ab//cd", "ab\n"):
        assert path not in folders


def test_they_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.backends.local.folders, "MAX_FOLDERS", 10)
    folders = DurableFolders()
    for number in range(1000):
        folders.add(f"album {number}")
        assert f"album {number}" in folders
        assert len(folders._paths) <= 10
