"""The folder of thumbnails: what it keeps, what goes first, and what a killed process leaves."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lading.service.images.thumbnails import cache
from lading.service.images.thumbnails.cache import ThumbnailFolder, ThumbnailName
from lading.service.images.thumbnails.kept import KeptThumbnails

MIB = 1024**2
BLOCK = 4096
KEY = "ab/image"


def name(number: int, key: str = KEY) -> ThumbnailName:
    return ThumbnailName.of(key, str(number))


def folder(path: Path, limit: int = MIB, keep: float = 3600) -> ThumbnailFolder:
    return ThumbnailFolder(path / "thumbnails", limit, keep)


def files(kept: ThumbnailFolder) -> list[Path]:
    return [path for path in kept.directory.glob("*/*") if path.is_file()]


def taken(kept: ThumbnailFolder) -> int:
    return sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in files(kept))


def told(kept: ThumbnailFolder) -> int:
    return int((kept.directory / "size").read_text())


def test_what_is_put_is_there(tmp_path: Path) -> None:
    kept = folder(tmp_path)
    assert kept.get(name(1)) is None
    assert not kept.directory.exists()
    for number in range(3):
        kept.put(name(number), b"%d" % number * 5000)
        kept.put(name(number), b"a second one changes nothing")
    assert [kept.get(name(number)) for number in range(3)] == [b"%d" % number * 5000 for number in range(3)]
    assert told(kept) == taken(kept) == 3 * 2 * BLOCK
    assert kept.get(name(1, "ab/another")) is None
    assert kept.directory.stat().st_mode & 0o777 == 0o700
    assert not any(KEY.partition("/")[2] in str(path) for path in files(kept)), "names tell nothing"


def test_the_thumbnails_of_an_object_are_forgotten_and_no_others(tmp_path: Path) -> None:
    kept = folder(tmp_path)
    kept.forget(KEY)
    for number in range(6):
        kept.put(name(number), b"x")
        kept.put(name(number, "ab/another"), b"x")
    kept.forget(KEY)
    assert [kept.get(name(number)) for number in range(6)] == [None] * 6
    assert [kept.get(name(number, "ab/another")) for number in range(6)] == [b"x"] * 6
    kept.forget(KEY)


def test_the_bound_holds_and_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    kept = folder(tmp_path, 64 * BLOCK)
    for number in range(64):
        kept.put(name(number), b"x")
        path = kept.directory / name(number).path
        os.utime(path, (time.time() - 10_000 + number, path.stat().st_mtime))
    assert taken(kept) == 64 * BLOCK
    assert kept.get(name(0)) == b"x"  # it is used again
    kept.put(name(64), b"x")
    left = {number for number in range(65) if (kept.directory / name(number).path).exists()}
    assert left == {0, *range(8, 65)}
    assert told(kept) == taken(kept)
    kept.put(name(99), bytes(7 * BLOCK))  # a tenth of the folder at most
    assert kept.get(name(99)) is None


def test_the_old_go(tmp_path: Path) -> None:
    kept = folder(tmp_path, keep=100)
    kept.expire()
    assert not kept.directory.exists()
    for number in range(4):
        kept.put(name(number), b"x")
    for number in range(2):
        os.utime(kept.directory / name(number).path, (time.time(), time.time() - 101))
    kept.expire()
    assert [kept.get(name(number)) is None for number in range(4)] == [True, True, False, False]
    assert told(kept) == 2 * BLOCK


@pytest.mark.parametrize("damage", [b"", b"short", bytes(5000)])
def test_a_damaged_file_is_no_thumbnail(tmp_path: Path, damage: bytes) -> None:
    kept = folder(tmp_path)
    kept.put(name(1), b"x" * 4000)
    (kept.directory / name(1).path).write_bytes(damage)
    assert kept.get(name(1)) is None
    kept.put(name(1), b"y")
    assert kept.get(name(1)) == b"y"


def test_a_lost_or_damaged_number_is_counted_anew(tmp_path: Path) -> None:
    kept = folder(tmp_path)
    for number in range(8):
        kept.put(name(number), b"x")
    for damage in (b"", b"nonsense", b"999999999999"):
        (kept.directory / "size").write_bytes(damage)
        kept.put(name(100 + len(damage)), b"x")
        assert told(kept) == taken(kept)


KILLED = """
import os, signal, sys
from pathlib import Path
from lading.service.images.thumbnails.cache import ThumbnailFolder, ThumbnailName
what, folder = sys.argv[1:]
def dies(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if what == "rename":
    Path.rename = dies
elif what == "write":
    Path.write_bytes = lambda path, data: (open(path, "wb").write(data[:10]), dies())
elif what == "unlink":
    Path.unlink = dies
ThumbnailFolder(Path(folder), int(os.environ["LIMIT"]), 3600).put(ThumbnailName.of("ab/image", "killed"), b"k" * 9000)
"""


@pytest.mark.parametrize("moment", ["write", "rename", "unlink"])
def test_a_killed_process_leaves_nothing_that_counts(tmp_path: Path, moment: str) -> None:
    limit = 64 * BLOCK
    kept = folder(tmp_path, limit)
    for number in range(64 if moment == "unlink" else 2):
        kept.put(name(number), b"x")
    command = [sys.executable, "-c", KILLED, moment, str(kept.directory)]
    killed = subprocess.run(command, env={**os.environ, "LIMIT": str(limit)}, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert kept.get(ThumbnailName.of(KEY, "killed")) is None
    assert told(kept) >= taken(kept), "a number that is too small would break the bound"
    kept.put(ThumbnailName.of(KEY, "killed"), b"k" * 9000)
    assert kept.get(ThumbnailName.of(KEY, "killed")) == b"k" * 9000
    kept.expire()
    assert told(kept) == taken(kept) <= limit
    assert {path.name for path in kept.directory.iterdir() if path.is_file()} <= {"size", "new"}


def test_many_at_once_keep_the_bound(tmp_path: Path) -> None:
    limit = 40 * BLOCK

    def work(seed: int) -> int:
        kept = folder(tmp_path, limit)  # as another process has it: a lock of its own
        rng = random.Random(seed)
        for _ in range(60):
            number = rng.randrange(50)
            content = b"%d" % number * 100
            assert kept.get(name(number)) in {None, content}
            kept.put(name(number), content)
            if not rng.randrange(10):
                kept.forget(KEY)
        return seed

    with ThreadPoolExecutor(4) as executor:
        assert sorted(executor.map(work, range(4))) == [0, 1, 2, 3]
    kept = folder(tmp_path, limit)
    assert taken(kept) <= limit
    assert taken(kept) <= told(kept)


@pytest.mark.gen_test
async def test_a_disk_that_fails_harms_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thumbnails").write_text("a file where the folder should be")
    kept = KeptThumbnails(folder(tmp_path))
    await kept.put(name(1), b"x")
    assert await kept.get(name(1)) is None
    await kept.forget(KEY)
    (tmp_path / "thumbnails").unlink()
    await kept.put(name(1), b"x")
    assert await kept.get(name(1)) == b"x"
    # Another process holds the lock, and stands still.
    monkeypatch.setattr(cache, "PATIENCE", 0.01)
    descriptor = os.open(tmp_path / "thumbnails" / "size", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        await kept.put(name(2), b"x")
        assert await kept.get(name(2)) is None
        assert await kept.get(name(1)) == b"x", "reading takes no lock"
        await kept.forget(KEY)
        assert await kept.get(name(1)) is None
    finally:
        os.close(descriptor)
