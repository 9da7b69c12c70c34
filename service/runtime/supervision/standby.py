"""Answers with 503 on the supervisor's sockets while no child serves, so that clients need not wait.

The sockets listen as long as the supervisor lives, so the kernel accepts connections even without a child.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from ...api.http.connections.last_answers import last_answer, send_last
from ...errors.catalogue import ApiError
from ...models.ids import new_uuid

CONNECTIONS: Final = 64
"""The largest number of concurrent connections; further connections are closed."""
HEAD_BYTES: Final = 16 * 1024
HEAD_SECONDS: Final = 2.0
"""Seconds that a request's head may take."""
RETRY_AFTER: Final = 2


@asynccontextmanager
async def answering(sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    """Answer every request on the sockets with 503 until the block ends; the sockets then are as before."""
    standby = _Standby()
    servers = [
        # A server closes its socket, and the supervisor keeps its own.
        await asyncio.start_server(standby.answer, sock=listening.dup(), limit=HEAD_BYTES, backlog=128)
        for listening in sockets
    ]
    try:
        yield
    finally:
        for server in servers:
            server.close()
        await standby.close()


class _Standby:
    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close its connection."""
        task = asyncio.current_task()
        if task is None or len(self._under_way) >= CONNECTIONS:
            writer.transport.abort()
            return
        self._under_way.add(task)
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(HEAD_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                error = ApiError("service_restarting", retry_after=RETRY_AFTER)
                await send_last(reader, writer, last_answer(error, new_uuid(), is_head=head.startswith(b"HEAD ")))
        finally:
            self._under_way.discard(task)
            writer.close()

    async def close(self) -> None:
        """Wait for the running answers, which take seconds at most."""
        if self._under_way:
            await asyncio.wait(self._under_way)
