"""The pool of children with children that misbehave."""

import asyncio
import sys
from pathlib import Path

import pytest

from plugins.detectors.pillow import PillowDetector, PillowOptions
from plugins.detectors.pool import ChildDied, ChildFailed, ChildPool, ChildTimeout, PoolClosed
from plugins.errors import DetectorCrashed
from plugins.testing import images
from tests.unit.detectors.harness import children, running

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
"""A child that answers each line with the same line."""

AFTER_HELLO = "import sys, time, os\nsys.stdin.readline(); print('ready', flush=True); sys.stdin.readline()\n"
"""How a child begins that is well behaved until its first call."""


def pool(code: str, *, processes: int = 1, recycle_after: int = 100) -> ChildPool:
    return ChildPool(
        (sys.executable, "-I", "-S", "-c", code),
        environment={},
        first_line=b"hello\n",
        processes=processes,
        recycle_after=recycle_after,
        max_line=1000,
    )


@pytest.mark.gen_test(timeout=30)
async def test_a_line_is_answered_with_a_line() -> None:
    echo = pool(ECHO)
    try:
        for number in range(50):
            assert await echo.call(b"%d\n" % number, 20) == b"%d\n" % number
    finally:
        await echo.close()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print('x' * 2000, flush=True); time.sleep(100)", ChildDied),
        ("print('x' * 200000, flush=True); time.sleep(100)", ChildDied),
        ("print('one\\ntwo', flush=True); time.sleep(100)", ChildDied),
        ("print('no newline', end='', flush=True); time.sleep(100)", ChildTimeout),
        ("sys.exit(3)", ChildDied),
        ("os.abort()", ChildDied),
        ("os.close(1); time.sleep(100)", ChildTimeout),
        ("os.close(0); time.sleep(100)", ChildTimeout),
        ("time.sleep(100)", ChildTimeout),
    ],
)
@pytest.mark.gen_test(timeout=30)
async def test_a_child_that_misbehaves_is_got_rid_of(code: str, expected: type[ChildFailed]) -> None:
    bad = pool(AFTER_HELLO + code)
    before = children()
    try:
        for _ in range(2):
            with pytest.raises(expected):
                await bad.call(b"work\n", 0.2 if expected is ChildTimeout else 20)
            assert children() == before
    finally:
        await bad.close()


@pytest.mark.gen_test(timeout=30)
async def test_the_status_of_a_dead_child_is_told() -> None:
    bad = pool(AFTER_HELLO + "sys.exit(3)")
    try:
        with pytest.raises(ChildDied) as caught:
            await bad.call(b"work\n", 20)
        assert caught.value.returncode == 3
    finally:
        await bad.close()


@pytest.mark.gen_test(timeout=30)
async def test_a_child_that_speaks_unasked_is_got_rid_of() -> None:
    talker = pool(AFTER_HELLO + "print('one', flush=True); time.sleep(0.1); print('two', flush=True); time.sleep(100)")
    try:
        assert await talker.call(b"work\n", 20) == b"one\n"
        (child,) = talker._children
        await child.gone.wait()
    finally:
        await talker.close()


@pytest.mark.parametrize("code", ["import sys; sys.exit(1)", "raise SystemExit"])
@pytest.mark.gen_test(timeout=30)
async def test_a_child_that_does_not_start_fails_the_call(code: str) -> None:
    bad = pool(code)
    try:
        for _ in range(3):
            with pytest.raises(ChildDied):
                await bad.call(b"work\n", 20)
    finally:
        await bad.close()


@pytest.mark.gen_test(timeout=30)
async def test_a_child_that_is_slow_to_start_is_not_the_call_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.detectors.pool.START_TIMEOUT", 0.2)
    slow = pool("import time; time.sleep(100)")
    before = children()
    try:
        with pytest.raises(ChildFailed, match="not ready") as caught:
            await slow.call(b"work\n", 20)
        assert not isinstance(caught.value, ChildTimeout)
        assert children() == before
    finally:
        await slow.close()


@pytest.mark.gen_test(timeout=30)
async def test_a_program_that_is_missing_fails_the_call(tmp_path: Path) -> None:
    bad = ChildPool(
        (str(tmp_path / "missing"),), environment={}, first_line=b"\n", processes=1, recycle_after=1, max_line=10
    )
    for _ in range(3):
        with pytest.raises(ChildFailed, match="no process could be started"):
            await bad.call(b"work\n", 20)
    await bad.close()
    with pytest.raises(PoolClosed):
        await bad.call(b"work\n", 20)


@pytest.mark.gen_test(timeout=30)
async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    echo = pool(ECHO, processes=3, recycle_after=7)
    try:
        lines = [b"%d\n" % number for number in range(200)]
        assert await asyncio.gather(*(echo.call(line, 20) for line in lines)) == lines
    finally:
        await echo.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"\n",
        b"[]\n",
        b"{}\n",
        b"null\n",
        b"[" * 10000 + b"\n",
        b'{"recognised": {"format": "JPEG", "content_type": "text/html", "width": 1, "height": 1, "frames": 1}}\n',
        b'{"recognised": {"format": "SVG", "content_type": "image/svg+xml", "width": 1, "height": 1, "frames": 1}}\n',
        b'{"recognised": {"format": "JPEG", "content_type": "image/jpeg", "width": 0, "height": 1, "frames": 1}}\n',
        b'{"recognised": {"format": "JPEG", "content_type": "image/jpeg", "width": "1", "height": 1, "frames": 1}}\n',
        b'{"refused": {"code": "unheard_of", "facts": {}, "internal": ""}}\n',
        b'{"refused": {"code": "too_many_pixels", "facts": {}, "internal": ""}}\n',
        b'{"refused": {"code": "not_an_image", "facts": {"retry_after": 5}, "internal": ""}}\n',
        b'{"refused": {"code": "image_corrupt", "facts": {}, "internal": "%s"}}\n' % (b"x" * 1000),
    ],
)
@pytest.mark.gen_test(timeout=30)
async def test_an_answer_that_makes_no_sense_is_not_believed(
    answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(self: ChildPool, line: bytes, timeout: float) -> bytes:
        return answer

    detector = PillowDetector(PillowOptions())
    monkeypatch.setattr(ChildPool, "call", call)
    with pytest.raises(DetectorCrashed, match="nonsense"):
        await detector.detect(tmp_path / "image")


@pytest.mark.gen_test(timeout=30)
async def test_a_detector_starts_no_child_before_it_is_asked(tmp_path: Path) -> None:
    before = children()
    detector = PillowDetector(PillowOptions())
    await detector.close()
    assert children() == before
    async with running(tmp_path) as harness:
        await harness.detect(images.jpeg())
        assert len(children()) == len(before) + 1
