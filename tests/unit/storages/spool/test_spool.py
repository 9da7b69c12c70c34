"""Where an import's bytes wait: in memory, then on disk, then nowhere."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import lading.service.storages.spool
import lading.service.storages.unnamed
from lading.plugins.testing.bodies import Body
from lading.service.storages.spool import CHUNK_BYTES, Spool, Spools
from tests.support.plugins.scripted import pieces
from tests.unit.storages.spool.conftest import MEMORY, content


def read_by_a_child(path: Path) -> bytes:
    """What another process of the same user sees."""
    program = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
    return subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True, timeout=30).stdout


SIZES = [0, 1, MEMORY - 1, MEMORY, MEMORY + 1, 2 * MEMORY, 2 * MEMORY + 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 7]


@pytest.mark.sampled(4)
@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [999, 64 * 1024])
async def test_bytes_come_out_as_they_went_in(spools: Spools, tmp_path: Path, size: int, piece: int) -> None:
    body = Body(size)
    with spools.open() as spool:
        await spool.fill(body.chunks(piece))
        assert (spool.byte_size, spool.sha256) == (size, body.sha256)
        for _ in range(2):
            chunks = await content(spool)
            assert b"".join(chunks) == body.whole()
            assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
        assert spool.path.read_bytes() == body.whole()
        assert spool.path.read_bytes() == body.whole(), "each opening begins at the beginning"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gen_test(timeout=30)
async def test_more_pieces_than_the_system_takes_at_once(executor: ThreadPoolExecutor, tmp_path: Path) -> None:
    body = Body(10 << 20)
    with Spools(9 << 20, tmp_path, executor).open() as spool:
        await spool.fill(body.chunks(8 << 10))
        assert spool.sha256 == body.sha256
        assert spool.path.read_bytes() == body.whole()


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("size", [0, MEMORY, MEMORY + 1, CHUNK_BYTES + 1])
async def test_a_child_process_reads_the_path(spools: Spools, size: int) -> None:
    with spools.open() as spool:
        await spool.fill(Body(size).chunks())
        seen = await asyncio.get_running_loop().run_in_executor(None, read_by_a_child, spool.path)
        assert seen == Body(size).whole()


@pytest.mark.gen_test
async def test_a_small_body_stays_in_memory_and_a_larger_one_goes_to_disk(
    executor: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    disk_file = lading.service.storages.unnamed.disk_file

    def counted(directory: Path | None, _make_file: Any = None) -> Any:
        made.append(threading.current_thread())
        return disk_file(directory)

    monkeypatch.setattr(lading.service.storages.spool, "disk_file", counted)
    spools = Spools(MEMORY, tmp_path, executor)
    with spools.open() as spool:
        await spool.fill(pieces(bytes(MEMORY)))
    assert made == []
    with spools.open() as spool:
        await spool.fill(pieces(bytes(MEMORY), b"x"))
        if hasattr(os, "O_TMPFILE"):
            assert os.fstat(spool._file.fileno()).st_nlink == 0, "a killed process leaves nothing"  # type: ignore[union-attr]
    assert len(made) == 1
    assert made[0] is not threading.main_thread(), "the disk is not the event loop's affair"


@pytest.mark.gen_test
async def test_without_memory_every_byte_goes_to_disk(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    with Spools(0, tmp_path, executor).open() as spool:
        await spool.fill(pieces(b"a", b"", b"b"))
        assert not spool._in_memory
        assert await content(spool) == [b"ab"]


@pytest.mark.gen_test(timeout=30)
async def test_no_more_is_gathered_than_memory_allows_and_one_piece(spools: Spools) -> None:
    most = 0

    async def watched(spool: Spool) -> AsyncIterator[bytes]:
        nonlocal most
        for _ in range(100):
            most = max(most, spool._gathered.byte_size)
            yield bytes(300)

    with spools.open() as spool:
        await spool.fill(watched(spool))
        assert spool.byte_size == 30_000
    assert most <= MEMORY


@pytest.mark.gen_test
async def test_what_was_not_filled_or_is_closed_has_neither_path_nor_bytes(spools: Spools) -> None:
    with spools.open() as spool:
        with pytest.raises(ValueError, match="not filled"):
            spool.path  # noqa: B018
        with pytest.raises(ValueError, match="not filled"):
            await content(spool)
        await spool.fill(pieces(b"x"))
        path = spool.path
        assert path.exists()
    spool.close()
    with pytest.raises(ValueError, match="not filled"):
        spool.path  # noqa: B018
    if path.is_relative_to("/proc"):
        return  # the number may be another file's by now
    assert not path.exists()


@pytest.mark.gen_test
@pytest.mark.parametrize("size", [0, 100, MEMORY + 1])
async def test_bytes_that_nobody_touched_are_unchanged(spools: Spools, size: int) -> None:
    with spools.open() as spool:
        await spool.fill(Body(size).chunks())
        spool.path.read_bytes()
        await content(spool)
        spool.check_unchanged()


@pytest.mark.gen_test
async def test_bytes_in_memory_cannot_be_changed(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    if not hasattr(os, "memfd_create"):
        pytest.skip("this system has no memfd_create")
    with Spools(MEMORY, tmp_path, executor).open() as spool:
        await spool.fill(pieces(b"image"))
        with pytest.raises(PermissionError):
            spool.path.write_bytes(b"other")
        with spool.path.open("r+b", buffering=0) as file, pytest.raises(PermissionError):
            file.write(b"other")
        assert spool.path.read_bytes() == b"image"
        spool.check_unchanged()


@pytest.mark.gen_test
async def test_bytes_on_disk_that_were_changed_are_found_out(spools: Spools) -> None:
    with spools.open() as spool:
        await spool.fill(Body(MEMORY + 1).chunks())
        await asyncio.sleep(0.02)  # the clock of file systems ticks some hundred times a second
        with spool.path.open("r+b") as file:
            file.write(b"other")
        with pytest.raises(OSError, match="were changed"):
            spool.check_unchanged()


@pytest.mark.gen_test
async def test_a_long_body_is_written_where_it_can_stay(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    made: list[int] = []

    def make_file() -> int:
        made.append(os.open(tmp_path / "made", os.O_RDWR | os.O_CREAT))
        return made[-1]

    spools = Spools(MEMORY, None, executor, make_file)
    with spools.open() as spool:
        await spool.fill(Body(MEMORY).chunks())
    assert made == [], "a short one needs none"
    with spools.open() as spool:
        await spool.fill(Body(5 * MEMORY).chunks())
        assert (tmp_path / "made").read_bytes() == Body(5 * MEMORY).whole()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(made[0])


@pytest.mark.gen_test
async def test_where_no_file_can_be_made_the_folder_has_it(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    with Spools(MEMORY, tmp_path, executor, lambda: None).open() as spool:
        await spool.fill(Body(5 * MEMORY).chunks())
        assert os.fstat(spool._file.fileno()).st_dev == tmp_path.stat().st_dev  # type: ignore[union-attr]
        assert b"".join(await content(spool)) == Body(5 * MEMORY).whole()
