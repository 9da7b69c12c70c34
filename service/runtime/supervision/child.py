"""A child of the supervisor: the service on the supervisor's sockets."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Sequence

from ....plugins.errors import PluginError
from ...config import Components, Settings, SettingsError
from ...models.clock import Clock
from ...observe.metrics.ledger import Board
from ..admin.listener import Share
from ..serving import serve
from ..signals.handlers import Wishes
from ..signals.reloading import Reloading
from .children import SERVING


def inherited_share(sockets: Sequence[int], board: int | None, number: int) -> Share:
    """The part of a child in the admin listener, by the descriptors that the supervisor has handed down.

    Raises:
        OSError: a descriptor is not what it should be.
    """
    listening = [socket.socket(fileno=descriptor) for descriptor in sockets]
    return Share(listening, None if board is None else Board.inherited(board), number)


async def serve_as_child(
    settings: Settings,
    components: Components,
    clock: Clock,
    wishes: Wishes,
    reloading: Reloading,
    descriptors: Sequence[int],
    share: Share,
) -> None:
    """Run the service on the supervisor's sockets until somebody wishes it to stop or the supervisor is gone. If the
    service cannot be started as it is configured, return once the supervisor knows.
    For ``share`` see ``inherited_share``.

    Raises:
        OSError: see ``lading.service.runtime.serving.serve``.
        WorkerDied: see there.
    """
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    watch = asyncio.create_task(_stop_with_parent(wishes), name="supervisor watch")
    try:
        await serve(
            settings,
            components,
            clock,
            wishes,
            reloading,
            inherited=sockets,
            share=share,
            listening=_tell_parent,
        )
    except (SettingsError, PluginError) as error:
        _tell_parent(str(error).encode())
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


def _tell_parent(news: bytes = SERVING) -> None:
    """Tell the parent through standard input, a socket, that this process serves, or why it cannot."""
    with contextlib.suppress(OSError):  # the parent is gone, which the watch notices too
        os.write(sys.stdin.fileno(), news)


async def _stop_with_parent(wishes: Wishes) -> None:
    """Stop when standard input ends: the supervisor at its other end is gone. The next one needs the port at once."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        # The socket ends with a reset if the supervisor died before it read that this process serves.
        with contextlib.suppress(OSError):
            await reader.read()
        wishes.undelayed.set()
        wishes.stop.set()
    finally:
        transport.close()
