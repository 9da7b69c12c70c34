"""What lies below the root of the local storage and is no object is not listed."""

import os
import shutil
from pathlib import Path

import pytest

from lading.backends.local.listing import BATCH, Listing
from lading.backends.local.storage import LocalStorage, LocalStorageOptions
from lading.backends.local.tree import Tree
from lading.plugins.errors import StorageUnavailable


def tree(path: Path) -> Tree:
    made = Tree(path / "images")
    made.prepare()
    return made


def put(path: Path, *keys: str) -> None:
    for key in keys:
        place = path / "images" / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")


def listed(path: Path, prefix: str = "") -> list[str]:
    listing = Listing(tree(path), prefix)
    found = []
    while batch := listing.next_batch():
        found += [one.key for one in batch]
    listing.release()
    return found


def test_only_regular_files_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "ab/object", ".incoming/x.part", ".check-1/object", "ab/.hidden")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "object").write_bytes(b"x")
    root = tmp_path / "images"
    (root / "link").symlink_to(tmp_path / "outside" / "object")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "ab" / "loop").symlink_to(root)
    (root / "empty").mkdir()
    os.mkfifo(root / "pipe")
    assert listed(tmp_path) == ["ab/object"]


def test_nothing_deeper_than_a_key_may_be_is_looked_at(tmp_path: Path) -> None:
    put(tmp_path, "k/" * 127 + "x", "k/" * 128 + "x")
    assert listed(tmp_path) == ["k/" * 127 + "x"]


def test_more_than_a_batch_is_read_batch_by_batch(tmp_path: Path) -> None:
    keys = [f"ab/{number}" for number in range(2 * BATCH + 1)]
    put(tmp_path, *keys)
    listing = Listing(tree(tmp_path), "")
    batches = [len(listing.next_batch()) for _ in range(4)]
    listing.release()
    assert batches == [BATCH, BATCH, 1, 0]


def test_what_goes_away_meanwhile_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, *(f"{folder}/{number}" for folder in "ab" for number in range(BATCH)))
    listing = Listing(tree(tmp_path), "")
    (first,) = {one.key[0] for one in listing.next_batch()}
    (rest,) = {"a", "b"} - {first}
    shutil.rmtree(tmp_path / "images" / rest)
    assert listing.next_batch() == []
    listing.release()


@pytest.mark.gen_test
async def test_a_root_that_is_not_there_is_an_outage_and_no_empty_place(tmp_path: Path) -> None:
    storage = LocalStorage(LocalStorageOptions(path=tmp_path / "images"))
    await storage.ping()
    (tmp_path / "images").rename(tmp_path / "unmounted")
    with pytest.raises(StorageUnavailable):
        [one async for one in storage.list_objects()]
    await storage.close()
