"""Several processes at one path, some of them killed: real processes, real files."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lading.backends.local.storage import LocalStorage, LocalStorageOptions
from lading.plugins.errors import ObjectExists
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.storage.support import KEY, read
from tests.unit.backends.local.local_child import SIZE

PROJECT = Path(__file__).resolve().parents[4]


@contextmanager
def child(root: Path, what: str, seed: int = 0) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.unit.backends.local.local_child", str(root), str(seed), what]
    with subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_from(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_on(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")


def leftovers(root: Path) -> list[str]:
    return [path.name for path in (root / ".incoming").iterdir()]


@pytest.mark.gen_test(timeout=60)
async def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    body = Body(SIZE)
    with child(tmp_path, "pause") as process:
        assert line_from(process) == "ready"
        assert len(leftovers(tmp_path)) == 1
        process.kill()
        process.wait()
    assert len(leftovers(tmp_path)) == 1
    storage = LocalStorage(LocalStorageOptions(path=tmp_path))
    await storage.ping()
    assert not leftovers(tmp_path)
    assert not await storage.exists(KEY)
    await storage.save(KEY, body.chunks(), body.metadata)
    assert await read(storage, KEY) == body.whole()
    await storage.close()


@pytest.mark.gen_test(timeout=60)
async def test_a_living_process_keeps_its_file(tmp_path: Path) -> None:
    storage = LocalStorage(LocalStorageOptions(path=tmp_path))
    with child(tmp_path, "pause") as process:
        assert line_from(process) == "ready"
        await storage.ping()
        assert len(leftovers(tmp_path)) == 1
        let_on(process)
        assert line_from(process) == "saved"
    assert await read(storage, KEY) == Body(SIZE).whole()
    assert not leftovers(tmp_path)
    await storage.close()


@pytest.mark.gen_test(timeout=60)
async def test_killed_between_the_link_and_the_end_of_the_temporary_name(tmp_path: Path) -> None:
    body = Body(SIZE)
    with child(tmp_path, "kill") as process:
        assert line_from(process) == ""
        assert process.wait() == -signal.SIGKILL
    assert len(leftovers(tmp_path)) == 1
    storage = LocalStorage(LocalStorageOptions(path=tmp_path))
    await storage.ping()
    assert not leftovers(tmp_path)
    assert await read(storage, KEY) == body.whole()
    assert isinstance(await attempt(storage.save(KEY, body.chunks(), body.metadata)), ObjectExists)
    await storage.close()


def test_a_limit_on_file_size(tmp_path: Path) -> None:
    with child(tmp_path, "limited") as process:
        assert line_from(process) == "storage_full"
    assert not leftovers(tmp_path)
    assert not (tmp_path / KEY).exists()


def test_of_several_processes_one_wins(tmp_path: Path) -> None:
    with ExitStack() as stack:
        children = [stack.enter_context(child(tmp_path, "race", seed)) for seed in range(3)]
        assert [line_from(process) for process in children] == ["ready"] * 3
        for process in children:
            let_on(process)
        outcomes = [line_from(process) for process in children]
    assert sorted(outcomes) == ["saved", "storage_object_exists", "storage_object_exists"]
    assert (tmp_path / KEY).read_bytes() == Body(SIZE, seed=outcomes.index("saved")).whole()
    assert not leftovers(tmp_path)
