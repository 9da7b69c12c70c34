"""Children on the event loop that the service runs on, which refuses what asyncio's forgives."""

import asyncio
import sys

import pytest
import uvloop

from lading.plugins.detectors.pillow.pool.children import ChildDied, ChildPool

ECHO = "import sys, time\nfor line in sys.stdin: print(line, end='', flush=True)\ntime.sleep(60)"
"""Outlives its pipe."""


async def asked_after_its_pipe_broke() -> None:
    pool = ChildPool(
        (sys.executable, "-c", ECHO), environment={}, first_line=b"0\n", processes=1, recycle_after=100, max_line=100
    )
    try:
        assert await pool.call(b"1\n", 30) == b"1\n"
        (child,) = pool._children
        pipe = child._transport.get_pipe_transport(0)
        assert pipe is not None
        pipe.close()
        for _ in range(5):  # until the loop has closed it
            await asyncio.sleep(0)
        with pytest.raises(ChildDied):
            await pool.call(b"2\n", 5)
        assert await pool.call(b"3\n", 30) == b"3\n"
    finally:
        await pool.close()


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_child_whose_pipe_has_broken_is_replaced(loop_factory: object) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:  # type: ignore[arg-type]
        runner.run(asked_after_its_pipe_broke())
