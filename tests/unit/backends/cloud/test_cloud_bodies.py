"""Parts of files, as HTTP libraries read them, and when their file is closed."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.backends.cloud.bodies import BLOCK_SIZE, FilePart, SourceFile
from lading.plugins.errors import ContentMismatch, StorageUnavailable

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "body"
    found.write_bytes(CONTENT)
    return found


def opened(path: Path, byte_size: int = len(CONTENT)) -> SourceFile:
    file = SourceFile(path, byte_size)
    file.open()
    return file


def descriptors() -> set[str]:
    """The names of all descriptors that are open, but for that of the listing itself."""
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.exists()}


def is_open(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").exists()


@pytest.mark.parametrize(("offset", "length"), [(0, len(CONTENT)), (0, 1), (100, 300), (len(CONTENT) - 1, 1)])
def test_a_part_is_read_as_a_file_is(path: Path, offset: int, length: int) -> None:
    wanted = CONTENT[offset : offset + length]
    with closing(opened(path)) as file:
        part = FilePart(file, offset, length)
        assert len(part) == length
        assert part.read() == wanted
        assert part.read(10) == b""
        assert part.seek(0, os.SEEK_END) == part.tell() == length
        assert part.seek(-1, os.SEEK_CUR) == length - 1
        assert part.read() == wanted[-1:]
        assert part.seek(0) == 0
        assert b"".join(iter(lambda: part.read(7) or b"", b"")) == wanted
        assert b"".join(part.blocks()) == part.whole() == wanted
        assert part.tell() == 0


@given(st.integers(0, 3 * BLOCK_SIZE // 1000), st.integers(1, 1000))
def test_the_parts_of_a_file_are_all_of_it(tmp_path_factory: pytest.TempPathFactory, size: int, part: int) -> None:
    path = tmp_path_factory.mktemp("parts") / "body"
    content = os.urandom(size)
    path.write_bytes(content)
    with closing(opened(path, size)) as file:
        found = _all(file, part)
    assert b"".join(found) == content
    assert {len(one) for one in found[:-1]} <= {part}
    assert len(found[-1]) <= part


def _all(file: SourceFile, size: int) -> list[bytes]:
    """Its parts, which come from an async generator that waits for nothing."""
    found: list[bytes] = []

    async def collect() -> None:
        parts = [part async for part in file.parts(size)]
        found.extend(bytes(part.whole()) if isinstance(part, FilePart) else bytes(part) for part in parts)

    with pytest.raises(StopIteration):
        collect().send(None)
    return found


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_file_of_another_size_is_not_sent(path: Path, difference: int) -> None:
    with closing(SourceFile(path, len(CONTENT) + difference)) as file, pytest.raises(ContentMismatch, match="1024"):
        file.open()


def test_a_file_that_is_not_there_is_told_without_its_path(path: Path) -> None:
    with closing(SourceFile(path.with_name("missing"), 1)) as file, pytest.raises(StorageUnavailable) as caught:
        file.open()
    assert "missing" not in str(caught.value)


def test_a_file_that_becomes_shorter_is_an_error(path: Path) -> None:
    with closing(opened(path)) as file:
        path.write_bytes(CONTENT[:100])
        part = FilePart(file, 0, len(CONTENT))
        assert part.read(200) == CONTENT[:100]
        with pytest.raises(StorageUnavailable, match="shorter"):
            part.read(200)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = SourceFile(tmp_path, tmp_path.stat().st_size)  # a folder can be opened, not read
    with closing(file):
        file.open()
        with pytest.raises(StorageUnavailable, match="cannot be read: Is a directory"):
            FilePart(file, 0, 10).whole()


def test_a_closed_file_is_not_read(path: Path) -> None:
    file = opened(path)
    part = FilePart(file, 0, 10)
    file.close()
    file.close()
    with pytest.raises(StorageUnavailable):
        part.read()


def test_a_file_that_is_closed_before_it_is_open_is_left_closed(path: Path) -> None:
    before = descriptors()
    file = SourceFile(path, len(CONTENT))
    file.close()
    file.open()
    assert descriptors() == before
    with pytest.raises(StorageUnavailable):
        FilePart(file, 0, 10).read()


def test_a_file_is_not_closed_under_its_readers_hands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, go_on = threading.Event(), threading.Event()
    descriptors: list[int] = []
    preadv = os.preadv

    def slowly(descriptor: int, buffers: Any, offset: int) -> int:
        descriptors.append(descriptor)
        reading.set()
        assert go_on.wait(30)
        return preadv(descriptor, buffers, offset)

    file = opened(path)
    monkeypatch.setattr(os, "preadv", slowly)
    with ThreadPoolExecutor(1) as executor:
        read = executor.submit(FilePart(file, 0, 10).read, 10)
        assert reading.wait(30)
        file.close()
        assert is_open(descriptors[0])
        go_on.set()
        assert read.result(30) == CONTENT[:10]
    assert not is_open(descriptors[0])
