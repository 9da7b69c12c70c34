"""When the sending of a long body stops."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.iostream import StreamClosedError

from lading.service.api.http.response_body import SendingHandler, Stopped


async def waited(written: "asyncio.Future[Any]", *, is_gone: bool) -> None:
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    if is_gone:
        gone.set_result(None)
    handler: Any = SimpleNamespace(_gone=gone, common=SimpleNamespace(limits=SimpleNamespace(stall_timeout=0.01)))
    await SendingHandler.written(handler, written)


@pytest.mark.gen_test
async def test_a_client_that_leaves_with_the_last_bytes_has_them() -> None:
    written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    written.set_result(None)
    await waited(written, is_gone=True)
    await waited(written, is_gone=False)


@pytest.mark.gen_test
async def test_a_client_that_leaves_before_is_gone() -> None:
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    failed.set_exception(StreamClosedError())
    for written in (loop.create_future(), failed):
        with pytest.raises(Stopped, match="client_gone"):
            await waited(written, is_gone=True)
    with pytest.raises(Stopped, match="client_gone"):
        await waited(failed, is_gone=False)


@pytest.mark.gen_test
async def test_a_client_that_only_reads_slowly_is_told_by_the_caller() -> None:
    await waited(asyncio.get_running_loop().create_future(), is_gone=False)
