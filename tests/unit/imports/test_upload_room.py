"""The room for unfinished uploads, which processes share by a journal."""

import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lading.service.imports.uploads import room as room_module
from lading.service.imports.uploads.room import COMPACTED, UploadRoom

HOG, GUEST = "hog", "guest"
TAKING = """
import sys
import time
from pathlib import Path
from lading.service.imports.uploads.room import UploadRoom

path, limit, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
room = UploadRoom(path, limit)
print("ready", flush=True)
sys.stdin.readline()
number = 0
while room.take(f"{name} {number}", "issuer", 1):
    number += 1
    print(number, flush=True)
    if name == "a":
        time.sleep(0.001)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "room.journal"


def fill(room: UploadRoom, issuer: str, length: int) -> int:
    """Begin uploads of the issuer until there is no room for one; their number."""
    number = 0
    while room.take(f"{issuer} {number}", issuer, length):
        number += 1
    return number


@pytest.mark.parametrize("length", [1, 7, 50])
def test_an_issuer_has_half_of_the_room_and_leaves_the_other_half(path: Path, length: int) -> None:
    room = UploadRoom(path, 400)
    assert fill(room, HOG, length) == 200 // length
    assert fill(room, GUEST, length) == (400 - 200 // length * length) // 2 // length


def test_room_comes_back_and_an_upload_counts_once(path: Path) -> None:
    room = UploadRoom(path, 20)
    assert [room.take("a", HOG, 10), room.take("a", HOG, 10), room.take("b", HOG, 1)] == [True, True, False]
    room.free("a")
    room.free("a")
    room.free("unknown")
    assert room.ids() == set()
    assert room.take("b", HOG, 10)


def test_what_was_begun_before_is_entered_beyond_the_limit(path: Path) -> None:
    room = UploadRoom(path, 20)
    room.keep("a", HOG, 100)
    room.keep("a", HOG, 100)
    assert not room.take("b", GUEST, 1)
    room.free("a")
    assert room.take("b", GUEST, 1)


def test_no_journal_is_made_for_what_has_no_room(path: Path) -> None:
    room = UploadRoom(path, 20)
    room.free("a")
    assert room.ids() == set()
    assert not path.exists()


@pytest.mark.parametrize("seed", range(5))
def test_several_see_the_same(path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks, as of processes with one folder; the journal is written anew now and then."""
    monkeypatch.setattr(room_module, "COMPACTED", 20)
    rng = random.Random(seed)
    rooms = [UploadRoom(path, 100) for _ in range(3)]
    held: dict[str, tuple[str, int]] = {}
    for number in range(400):
        room, issuer, length = rng.choice(rooms), rng.choice("abc"), rng.randint(1, 20)
        if held and rng.random() < 0.5:
            upload_id = rng.choice(list(held))
            room.free(upload_id)
            del held[upload_id]
        else:
            own = sum(size for owner, size in held.values() if owner == issuer) + length
            free = 100 - sum(size for _, size in held.values()) - length
            assert room.take(str(number), issuer, length) == (own <= free)
            if own <= free:
                held[str(number)] = issuer, length
        assert rng.choice(rooms).ids() == held.keys()
        assert UploadRoom(path, 1).ids() == held.keys(), "as a process sees it that begins"


def test_the_journal_of_many_uploads_stays_short(path: Path) -> None:
    room, other = UploadRoom(path, 100), UploadRoom(path, 100)
    assert room.take("kept", GUEST, 1)
    longest = 0
    for number in range(COMPACTED):
        assert room.take(str(number), HOG, 1)
        room.free(str(number))
        longest = max(longest, path.stat().st_size)
    assert path.stat().st_size < longest
    assert other.ids() == room.ids() == {"kept"}


def go(process: Any) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def test_processes_never_give_the_same_room_away_and_one_is_killed(path: Path) -> None:
    """Three processes take place by place; one is killed with SIGKILL between two of them, or in the midst of one.

    It takes more than a second, since three interpreters start.
    """
    limit = 1500
    command = [sys.executable, "-c", TAKING, str(path), str(limit)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes: list[Any] = [subprocess.Popen([*command, name], **pipes) for name in "abc"]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    killed, *others = processes
    go(killed)
    for _ in range(20):
        killed.stdout.readline()
    for process in others:
        go(process)
    killed.send_signal(signal.SIGKILL)
    told = [process.communicate()[0].splitlines() for process in others]
    rest = killed.stdout.read()
    killed.communicate()
    room = UploadRoom(path, limit)
    found = Counter(upload_id[0] for upload_id in room.ids())
    assert found.total() == limit // 2, "exactly: none was lost, and none given twice"
    assert [found[name] for name in "bc"] == [len(lines) for lines in told]
    assert 20 <= found["a"] <= 20 + rest.count("\n") + 1, "one may be entered that was not told"
    assert not room.take("more", "issuer", 1)


@pytest.mark.parametrize("torn", [b'["torn', b'["torn", "hog", 20]'])
def test_a_line_without_its_end_does_not_count(path: Path, torn: bytes) -> None:
    assert UploadRoom(path, 20).take("a", HOG, 5)
    with path.open("ab") as journal:
        journal.write(torn)
    room = UploadRoom(path, 20)
    assert room.ids() == {"a"}
    assert room.take("b", HOG, 5)
    assert UploadRoom(path, 20).ids() == {"a", "b"}


@pytest.mark.parametrize("lost", [b"\0" * 30 + b"\n", b"[]\n", b"5\n", b'["a", 1]\n'])
def test_a_line_that_a_loss_of_power_took_is_passed_over(path: Path, lost: bytes) -> None:
    room = UploadRoom(path, 20)
    assert room.take("a", HOG, 5)
    with path.open("ab") as journal:
        journal.write(lost)
    assert room.take("b", HOG, 5)
    assert UploadRoom(path, 20).ids() == room.ids() == {"a", "b"}


def test_a_disk_without_room_leaves_the_journal_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = UploadRoom(path, 20)
    assert room.take("a", HOG, 5)
    before, write = path.read_bytes(), os.pwrite

    def half(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:-5], offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", half)
        with pytest.raises(OSError, match="No space"):
            room.take("b", HOG, 5)
    assert path.read_bytes() == before
    assert room.take("b", HOG, 5)
    assert room.ids() == {"a", "b"}


def test_no_call_waits_for_ever_for_a_process_that_stands_still(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = UploadRoom(path, 20)
    assert room.take("a", HOG, 5)
    monkeypatch.setattr(room_module, "PATIENCE", 0.02)
    with closing(path.open("rb")) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="another process holds") as caught:
            room.take("b", HOG, 5)
        assert caught.value.errno == errno.EAGAIN
    assert room.take("b", HOG, 5)
