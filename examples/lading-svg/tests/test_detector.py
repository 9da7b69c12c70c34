"""The detector around the parser: threads that end, files that are let go, and a loop that goes on."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lading.plugins import ImageInfo
from lading.plugins.testing import no_leaks
from lading_svg.detector import SvgDetector, inspect
from lading_svg.errors import DetectorClosed, FileUnreadable
from lading_svg.options import SvgOptions
from lading_svg.samples import PICTURE
from tests.support import svg

LONG = svg('<path d="M0 0"/>' * 480_000)
"""Takes seconds, so that it can be caught at work; no test waits for its end."""

PATIENT: dict[str, Any] = {"max_seconds": 120, "max_elements": 1_000_000}

SIZE = ImageInfo("SVG", "image/svg+xml", 64, 48, 1)


def run(test: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(debug=True) as runner:
        runner.run(test)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_text(LONG)
    return path


def working() -> int:
    """How many threads of detectors have a file open."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            count += link.readlink().name == "image"
    return count


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.001)


def test_a_cancelled_call_ends_its_thread_before_it_ends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[object] = []

    def inspected(path: Path, options: SvgOptions, stop: threading.Event) -> ImageInfo:
        try:
            return inspect(path, options, stop)
        except BaseException as error:
            ends.append(type(error))
            raise

    monkeypatch.setattr("lading_svg.detector.inspect", inspected)

    async def test() -> None:
        detector = SvgDetector(SvgOptions(**PATIENT))
        call = asyncio.create_task(detector.detect(path))
        await until(lambda: working() == 1)
        call.cancel()
        await asyncio.wait((call,))
        assert call.cancelled()
        assert working() == 0
        assert ends == [DetectorClosed]
        await detector.close()

    run(test())


def test_a_call_that_is_cancelled_again_and_again(path: Path) -> None:
    async def test() -> None:
        detector = SvgDetector(SvgOptions(**PATIENT))
        call = asyncio.create_task(detector.detect(path))
        await until(lambda: working() == 1)
        while not call.done():
            call.cancel()
            await asyncio.sleep(0)
        assert call.cancelled()
        assert working() == 0
        await detector.close()

    run(test())


def test_no_more_files_at_once_than_threads(path: Path) -> None:
    async def test() -> None:
        detector = SvgDetector(SvgOptions(threads=2, **PATIENT))
        calls = [asyncio.create_task(detector.detect(path)) for _ in range(6)]
        await until(lambda: working() == 2)
        for _ in range(20):
            await asyncio.sleep(0.001)
            assert working() <= 2
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert working() == 0
        await detector.close()

    run(test())


def test_close_ends_every_call(path: Path) -> None:
    async def test() -> None:
        async with no_leaks():
            detector = SvgDetector(SvgOptions(threads=1, **PATIENT))
            calls = [asyncio.create_task(detector.detect(path)) for _ in range(3)]
            await until(lambda: working() == 1)
            await detector.close()
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(result) for result in results] == [DetectorClosed] * 3
            assert working() == 0

    run(test())


def test_a_stopped_call_may_be_made_again(path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(DetectorClosed) as raised:
        inspect(path, SvgOptions(), stop)
    assert raised.value.retryable


def test_nothing_but_a_regular_file_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for strange in (pipe, tmp_path, tmp_path / "missing", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(FileUnreadable) as raised:
            inspect(strange, SvgOptions(), threading.Event())
        assert raised.value.retryable


def test_no_other_file_is_opened(tmp_path: Path) -> None:
    opened: list[str] = []
    watching = threading.Event()  # a hook cannot be taken out again

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching.is_set() and event in {"open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen"}:
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)
    path = tmp_path / "image"
    path.write_text(PICTURE)
    watching.set()
    try:
        assert inspect(path, SvgOptions(), threading.Event()) == SIZE
    finally:
        watching.clear()
    assert opened == [str(path)]
