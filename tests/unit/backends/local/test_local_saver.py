"""The process that saves small objects, alive, killed, mistaken and closed; and files that become objects."""

import asyncio
import errno
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

import lading.backends.local.saver
from lading.backends.local.child import Requests, _saved
from lading.backends.local.files import BodyFile, identity_of
from lading.backends.local.saver import Saver
from lading.backends.local.storage import PIECE, LocalStorage, LocalStorageOptions
from lading.backends.local.transfers import Upload
from lading.backends.local.tree import Tree
from lading.plugins.errors import ContentMismatch, KeyInvalid, ObjectExists, StorageFull, StorageUnavailable
from lading.plugins.host.children import child_environment, json_line, python_command
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.leaks import no_leaks
from lading.plugins.testing.storage.support import KEY, read
from tests.support.plugins.scripted import until
from tests.unit.backends.local.local_support import LARGE, SMALL, failing, opened

NOBODY = (0, 0, 0)


def written(path: Path, body: Body) -> Path:
    path.write_bytes(body.whole())
    return path


def pid_of(storage: LocalStorage) -> int:
    child = storage._saver._child
    assert child is not None
    return child._transport.get_pid()


async def stop(pid: int) -> None:
    """Stop a process, all of whose threads have stopped on return."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")
    while any(state_of(task) != "T" for task in tasks.iterdir()):
        await asyncio.sleep(0.005)


def state_of(task: Path) -> str:
    """As proc_pid_stat(5) has it; the name before it may hold anything."""
    return (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def unnamed(storage: LocalStorage, body: Body) -> tuple[int, Path]:
    """A file that the storage has made, and its path."""
    descriptor = storage.make_file()
    if descriptor is None:
        pytest.skip("this file system has no files without a name")
    os.write(descriptor, body.whole())
    return descriptor, Path(f"/proc/self/fd/{descriptor}")


@pytest.mark.gen_test
async def test_small_objects_are_saved_by_one_process(tmp_path: Path) -> None:
    path = written(tmp_path / "body", SMALL)
    async with opened(tmp_path / "root") as storage:
        assert storage._saver._child is None, "nobody needs it yet"
        await asyncio.gather(*(storage.save_file(f"ab/{number}", path, SMALL.metadata) for number in range(100)))
        first = pid_of(storage)
        await storage.save_file(KEY, path, SMALL.metadata)
        assert pid_of(storage) == first
        assert first != os.getpid()
        assert await read(storage, "ab/99") == SMALL.whole()
        assert (tmp_path / "root" / KEY).stat().st_mode & 0o777 == 0o640 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.gen_test
async def test_a_large_object_needs_no_process(tmp_path: Path) -> None:
    path = written(tmp_path / "body", LARGE)
    async with opened(tmp_path / "root") as storage:
        await storage.save_file(KEY, path, LARGE.metadata)
        assert storage._saver._child is None
        assert await read(storage, KEY) == LARGE.whole()


@pytest.mark.gen_test
@pytest.mark.parametrize("size", [100, PIECE + 1])
async def test_a_file_without_a_name_becomes_the_object_itself(tmp_path: Path, size: int) -> None:
    body = Body(size)
    async with opened(tmp_path / "root") as storage:
        descriptor, path = unnamed(storage, body)
        try:
            await storage.save_file(KEY, path, body.metadata)
            assert os.path.samestat(os.fstat(descriptor), (tmp_path / "root" / KEY).stat())
        finally:
            os.close(descriptor)
        assert await read(storage, KEY) == body.whole()


@pytest.mark.gen_test
@pytest.mark.parametrize("refusal", [errno.EPERM, errno.ENOENT, errno.EXDEV])
async def test_what_cannot_become_the_object_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    async with opened(tmp_path / "root") as storage:
        descriptor, path = unnamed(storage, LARGE)
        try:
            monkeypatch.setattr(BodyFile, "place", failing(refusal))
            await storage.save_file(KEY, path, LARGE.metadata)
            assert not os.fstat(descriptor).st_nlink
        finally:
            os.close(descriptor)
        assert await read(storage, KEY) == LARGE.whole()


@pytest.mark.gen_test
async def test_what_is_wrong_is_told_as_from_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "body", SMALL)
    async with opened(tmp_path / "root") as storage:
        await storage.save_file("ab/object", path, SMALL.metadata)
        assert type(await attempt(storage.save_file("ab/object", path, SMALL.metadata))) is ObjectExists
        assert type(await attempt(storage.save_file("ab/object/below", path, SMALL.metadata))) is KeyInvalid
        missing = await attempt(storage.save_file(KEY, tmp_path / "missing", SMALL.metadata))
        assert type(missing) is StorageUnavailable
        assert "No such file" in missing.internal
        answers = {"errno": errno.ENOSPC, "internal": "No space left on device"}
        monkeypatch.setattr(lading.backends.local.saver, "_error", lambda _answer: OSError(*answers.values()))
        assert type(await attempt(storage.save_file(KEY, path, SMALL.metadata))) is StorageFull


@pytest.mark.gen_test
async def test_a_killed_process_fails_what_it_had_and_is_started_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "body", SMALL)
    async with opened(tmp_path / "root") as storage:
        await storage.save_file("ab/first", path, SMALL.metadata)
        first = pid_of(storage)
        await stop(first)
        stopped = asyncio.create_task(attempt(storage.save_file("ab/second", path, SMALL.metadata)))
        await asyncio.sleep(0.05)
        assert not stopped.done()
        os.kill(first, signal.SIGKILL)
        error = await stopped
        assert type(error) is StorageUnavailable
        assert "ended with status -9" in error.internal
        await storage.save_file("ab/second", path, SMALL.metadata)
        assert pid_of(storage) != first


@pytest.mark.gen_test
async def test_a_cancelled_save_ends_when_its_outcome_is_known(tmp_path: Path) -> None:
    path = written(tmp_path / "body", SMALL)
    async with opened(tmp_path / "root") as storage:
        await storage.save_file("ab/first", path, SMALL.metadata)
        await stop(pid_of(storage))
        good = asyncio.create_task(storage.save_file("ab/second", path, SMALL.metadata))
        taken = asyncio.create_task(storage.save_file("ab/first", path, SMALL.metadata))
        await asyncio.sleep(0.05)
        for task in (good, taken):
            task.cancel()
        await asyncio.sleep(0.05)
        assert not good.done()
        os.kill(pid_of(storage), signal.SIGCONT)
        await asyncio.wait((good, taken))
        assert not good.cancelled(), "the object is there: the cancellation came too late"
        assert taken.cancelled()
        assert await read(storage, "ab/second") == SMALL.whole()


@pytest.mark.gen_test
async def test_a_path_that_is_another_file_s_by_now_saves_nothing(tmp_path: Path) -> None:
    """A save that was given up is begun late, when another image has the descriptor's number."""
    other, descriptor = os.memfd_create("body"), os.memfd_create("body")
    try:
        os.write(descriptor, SMALL.whole())
        os.write(other, bytes(SMALL.size))
        path = Path(f"/proc/self/fd/{descriptor}")
        async with opened(tmp_path / "root") as storage:
            await storage.save_file("ab/first", path, SMALL.metadata)
            pid = pid_of(storage)
            await stop(pid)
            saving = asyncio.create_task(storage.save_file(KEY, path, SMALL.metadata))
            await until(lambda: bool(storage._jobs))
            os.dup2(other, descriptor)
            os.kill(pid, signal.SIGCONT)
            with pytest.raises(ContentMismatch, match="another file"):
                await saving
            assert not await storage.exists(KEY)
    finally:
        os.close(descriptor)
        os.close(other)


@pytest.mark.gen_test
async def test_a_path_that_is_no_file_s_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path / "root") as storage:
        with pytest.raises(StorageUnavailable):
            await storage.save_file(KEY, tmp_path / "none", SMALL.metadata)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "answer", ["nonsense", '{"id": 999}', "[]", '{"id": 0, "errno": "x" ', '{"id": 0, "errno": 5}']
)
async def test_an_answer_that_is_none_ends_the_process(tmp_path: Path, answer: str) -> None:
    async with no_leaks():
        saver = Saver(tmp_path, 1)
        job = await saver.submit(KEY, "/dev/null", NOBODY, 0)
        child = saver._child
        assert child is not None
        child.pipe_data_received(1, f"{answer}\n".encode())
        with pytest.raises(StorageUnavailable):
            await job
        assert not child.is_of_use
        await saver.close()


@pytest.mark.gen_test
async def test_whatever_goes_wrong_in_the_process_is_answered(tmp_path: Path) -> None:
    async with no_leaks():
        saver = Saver(tmp_path, 1)
        for _ in range(2):
            with pytest.raises(StorageUnavailable) as caught:
                await (await saver.submit(KEY, "\0", NOBODY, 0))
            assert "ValueError: embedded null byte" in caught.value.internal
        await saver.close()


def test_the_process_completes_what_it_has_and_ends_with_its_stdin(tmp_path: Path) -> None:
    """As when the service is killed: nobody is left to tell it."""
    tree = Tree(tmp_path / "root")
    tree.prepare()
    path = written(tmp_path / "body", SMALL)
    start = json_line({"root": str(tree.root), "threads": 2})
    told = {"key": KEY, "path": str(path), "identity": identity_of(path), "byte_size": SMALL.size}
    request = json_line({"id": 7, **told})
    command = python_command("lading.backends.local.child")
    ended = subprocess.run(
        command, input=start + request, capture_output=True, check=True, timeout=30, env=child_environment()
    )
    assert ended.stdout == json_line({"id": 7})
    assert (tree.root / KEY).read_bytes() == SMALL.whole()


@pytest.mark.gen_test
async def test_a_process_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.backends.local.saver, "END_SECONDS", 0.1)
    async with no_leaks():
        saver = Saver(tmp_path, 1)
        job = await saver.submit(KEY, "/dev/null", NOBODY, 0)
        assert saver._child is not None
        await stop(saver._child._transport.get_pid())
        await saver.close()
        assert job.exception() is not None
        with pytest.raises(StorageUnavailable):
            await saver.submit(KEY, "/dev/null", NOBODY, 0)


@pytest.mark.gen_test
async def test_where_no_process_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "body", SMALL)
    async with opened(tmp_path / "root") as storage:
        monkeypatch.setattr(lading.backends.local.saver, "python_command", lambda _module: (str(tmp_path / "missing"),))
        error = await attempt(storage.save_file(KEY, path, SMALL.metadata))
        assert type(error) is StorageUnavailable
        assert "no process could be started" in error.internal
        monkeypatch.undo()
        await storage.save_file(KEY, path, SMALL.metadata)


@pytest.mark.gen_test
async def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    path = written(tmp_path / "body", SMALL)
    async with opened(tmp_path / "root") as storage:
        tasks = [asyncio.create_task(storage.save_file(f"ab/{one}", path, SMALL.metadata)) for one in range(3)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await storage.save_file(KEY, path, SMALL.metadata)


@pytest.mark.gen_test
async def test_a_storage_that_was_removed_makes_no_file(tmp_path: Path) -> None:
    storage = LocalStorage(LocalStorageOptions(path=tmp_path / "missing"))
    assert storage.make_file() is None
    await storage.close()


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_the_order_of_effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: Body) -> None:
    """The bytes are on the disk before they have a name, and the name before the save is told of."""
    tree = Tree(tmp_path / "root")
    tree.prepare()
    path = written(tmp_path / "body", body)
    Upload(tree, "ab/first", body.size).save_file(path)
    effects = effects_on_disk(monkeypatch)
    Upload(tree, "ab/second", body.size).save_file(path)
    assert effects == ["fsync", "link", "fsync"]


def effects_on_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The syncs and links of this process from now on, in their order."""
    effects: list[str] = []

    def seen(name: str) -> None:
        function = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            effects.append(name)
            return function(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "link"):
        seen(name)
    return effects


def line_for(key: str, path: Path, number: int) -> bytes:
    identity = identity_of(path) if path.exists() else NOBODY
    return json_line({"id": number, "key": key, "path": str(path), "identity": identity, "byte_size": SMALL.size})


def test_saves_together_keep_the_order_of_effects_and_end_each_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(tmp_path / "root")
    tree.prepare()
    path = written(tmp_path / "body", SMALL)
    for key in ("ab/taken", "cd/first"):
        Upload(tree, key, SMALL.size).save_file(path)
    keys = ("ab/one", "ab/taken", "cd/other")
    lines = [line_for(key, path, number) for number, key in enumerate(keys)]
    effects = effects_on_disk(monkeypatch)
    answers = list(map(json.loads, _saved(tree, [*lines, line_for("ab/none", tmp_path / "missing", 3)])))
    assert effects == [*["fsync"] * 3, "link", "link", "fsync", "link", "fsync", "fsync"], (
        "a taken key syncs its folder"
    )
    assert [answer["id"] for answer in answers] == [0, 1, 2, 3]
    assert [answer.get("error") for answer in answers] == [None, "ObjectExists", None, None]
    assert answers[3]["errno"] == errno.ENOENT
    assert not tree.exists("ab/none")
    for key in keys:
        assert (tree.root / key).read_bytes() == SMALL.whole()


def test_threads_share_the_requests() -> None:
    reading, writing = os.pipe()
    try:
        requests = Requests(reading)
        os.write(writing, b"one\ntwo\nthree\nfo")
        assert requests.some(1) == [b"one"]
        assert requests.some(8) == [b"two", b"three"]
        os.write(writing, b"ur\n1\n2\n3\n4\n")
        requests._idle = 1  # another thread waits
        assert requests.some(8) == [b"four", b"1", b"2"]
        os.close(writing)
        assert requests.some(1) == [b"3"]
        assert requests.some(8) == [b"4"]
        assert requests.some(8) == []
    finally:
        os.close(reading)
