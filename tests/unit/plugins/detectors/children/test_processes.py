"""The children of the Pillow detector: how many there are, what they may do, and how they end."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import lading.plugins
from lading.plugins.errors import DetectorCrashed, NotAnImage
from lading.plugins.testing import images
from tests.unit.plugins.detectors.harness import children, exists, linux, open_files, reader_of, running, until_gone

pytestmark = linux


def only_child() -> int:
    (pid,) = children()
    return pid


@pytest.mark.gen_test(timeout=30)
async def test_children_start_when_needed_and_are_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        assert children() == set()
        await harness.detect(images.jpeg())
        first = only_child()
        for seed in range(20):
            await harness.detect(images.jpeg(seed=seed))
        assert only_child() == first


@pytest.mark.gen_test(timeout=30)
async def test_calls_share_the_children_there_may_be(tmp_path: Path) -> None:
    async with running(tmp_path, processes=2) as harness:
        calls = [asyncio.create_task(harness.detect(images.jpeg(seed=seed))) for seed in range(40)]
        seen = set()
        pending = set(calls)
        while pending:
            _, pending = await asyncio.wait(pending, timeout=0.005)
            seen |= children()
            assert len(children()) <= 2
        assert [call.result().format for call in calls] == ["JPEG"] * 40
        assert len(seen) == 2


@pytest.mark.gen_test(timeout=30)
async def test_a_child_is_replaced_after_a_number_of_calls(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1, recycle_after=3) as harness:
        seen = []
        for _ in range(9):
            await harness.detect(images.jpeg())
            seen.append(sorted(children())[:1])
        # Right after its last call a child may be gone already; the next call has another in any case.
        assert len({pid for pids in seen for pid in pids}) == 3


@pytest.mark.gen_test(timeout=30)
async def test_a_killed_child_fails_its_call_alone(tmp_path: Path) -> None:
    async with running(tmp_path, processes=2) as harness:
        async with harness.held() as (doomed, _):
            victim = only_child()
            async with harness.held() as (other, feed):
                os.kill(victim, signal.SIGKILL)
                with pytest.raises(DetectorCrashed) as caught:
                    await doomed
                assert caught.value.retryable
                assert not exists(victim)
                os.write(feed, b"these bytes are no image" * 400)
                with pytest.raises(NotAnImage):
                    await other
        assert (await harness.detect(images.jpeg())).format == "JPEG"


@pytest.mark.gen_test(timeout=30)
async def test_a_child_killed_while_idle_is_replaced_unnoticed(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1) as harness:
        await harness.detect(images.jpeg())
        victim = only_child()
        (child,) = harness.detector._pool._children
        os.kill(victim, signal.SIGKILL)
        await child.gone.wait()
        assert (await harness.detect(images.jpeg())).format == "JPEG"
        assert only_child() != victim


@pytest.mark.gen_test(timeout=30)
async def test_a_cancelled_call_leaves_no_process_and_frees_its_place(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1) as harness:
        async with harness.held() as (call, _):
            victim = only_child()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert children() == set()
        assert (await harness.detect(images.jpeg())).format == "JPEG"
        assert only_child() != victim


@pytest.mark.gen_test(timeout=30)
async def test_a_call_may_be_cancelled_at_any_point(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1, recycle_after=2) as harness:
        path = harness.file(images.jpeg())
        for turns in range(40):
            call = asyncio.create_task(harness.detector.detect(path))
            for _ in range(turns):
                await asyncio.sleep(0.0005 * (turns % 5))
            call.cancel()
            call.cancel()
            await asyncio.wait([call])
            assert len(children()) <= 1
        assert (await harness.detect(images.jpeg())).format == "JPEG"


@pytest.mark.gen_test(timeout=30)
async def test_a_cancelled_wait_for_a_child_takes_no_place(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1) as harness:
        async with harness.held() as (call, _):
            waiting = [asyncio.create_task(harness.detect(images.jpeg())) for _ in range(5)]
            await asyncio.sleep(0)
            for one in waiting[:4]:
                one.cancel()
            await asyncio.wait(waiting[:4])
            assert not call.done()
            assert len(children()) == 1
        assert (await waiting[4]).format == "JPEG"


@pytest.mark.gen_test(timeout=30)
async def test_closing_ends_calls_and_children_and_may_be_repeated(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1) as harness:
        async with harness.held() as (call, _):
            waiting = asyncio.create_task(harness.detect(images.jpeg()))
            await asyncio.sleep(0)
            await asyncio.gather(harness.detector.close(), harness.detector.close())
            assert children() == set()
            for one in (call, waiting):
                with pytest.raises(DetectorCrashed, match="closed"):
                    await one
        await harness.detector.close()
        with pytest.raises(DetectorCrashed, match="closed"):
            await harness.detect(images.jpeg())
        assert children() == set()


@pytest.mark.gen_test(timeout=30)
async def test_closing_while_a_child_starts_leaves_none(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        call = asyncio.create_task(harness.detect(images.jpeg()))
        for _ in range(3):
            await asyncio.sleep(0)
        await harness.detector.close()
        assert children() == set()
        with pytest.raises(DetectorCrashed, match="closed"):
            await call


@pytest.mark.gen_test(timeout=60)
async def test_no_file_descriptor_is_lost(tmp_path: Path) -> None:
    async def use() -> None:
        async with running(tmp_path, processes=2, recycle_after=5) as harness:
            await asyncio.gather(*(harness.detect(images.jpeg(seed=seed)) for seed in range(20)))
            for data in (*images.NOT_IMAGES.values(), images.jpeg()[:-3]):
                await harness.refusal(data)
            async with harness.held() as (call, _):
                call.cancel()

    await use()
    before = open_files()
    for _ in range(3):
        await use()
    assert open_files() == before


@pytest.mark.gen_test(timeout=30)
async def test_a_child_is_confined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADING_STORAGE_S3__SECRET", "hush")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    with (tmp_path / "secret").open("wb") as secret:
        os.set_inheritable(secret.fileno(), True)
        async with running(tmp_path, memory_limit=1 << 30) as harness:
            await harness.detect(images.jpeg())
            process = Path(f"/proc/{only_child()}")
            limits = (process / "limits").read_text()
            files = {str(entry.readlink()).partition(":")[0] for entry in (process / "fd").iterdir()}
            assert (process / "environ").read_bytes() == b""
            assert (process / "cwd").readlink() == Path("/")
    for name, value in (
        ("Max file size", 0),
        ("Max core file size", 0),
        ("Max open files", 32),
        ("Max address space", 1 << 30),
    ):
        (line,) = (line for line in limits.splitlines() if line.startswith(name))
        assert line.removeprefix(name).split()[:2] == [str(value)] * 2
    assert files == {"pipe", "/dev/null"}


@pytest.mark.gen_test(timeout=30)
async def test_signals_meant_for_the_service_do_not_end_a_call(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1) as harness, harness.held() as (call, feed):
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(only_child(), number)
        os.write(feed, b"these bytes are no image" * 400)
        with pytest.raises(NotAnImage):
            await call


PARENT = """
    import asyncio, os, pathlib, sys
    from lading.plugins.detectors.pillow.detector import PillowDetector, PillowOptions

    async def main():
        detector = PillowDetector(PillowOptions(processes=2))
        calls = [asyncio.create_task(detector.detect(pathlib.Path(name))) for name in sys.argv[1:]]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        print("ready", flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())
"""


@pytest.mark.gen_test(timeout=60)
async def test_children_end_with_a_killed_service(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(images.jpeg())
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    root = str(Path(lading.plugins.__file__).parent.parent)
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(PARENT), str(fifo), str(tmp_path / "image")),
        stdout=subprocess.PIPE,
        cwd=root,
    )
    assert service.stdout is not None
    feed = await reader_of(fifo)
    try:
        assert await service.stdout.readline() == b"ready\n"
        busy_and_idle = children(service.pid)
        assert len(busy_and_idle) == 2
        service.kill()
        await service.wait()
        for pid in busy_and_idle:
            await until_gone(pid)
    finally:
        os.close(feed)


def test_the_service_itself_never_loads_pillow() -> None:
    code = "import sys, lading.plugins.detectors.pillow.detector; sys.exit('PIL' in sys.modules)"
    root = Path(lading.plugins.__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
