"""Several service processes on one listening socket, and the parent that keeps them alive.

The parent binds the socket and hands it to its children; the kernel gives each connection to one of them. A child that
dies is started again, with a growing pause where it dies at once. SIGTERM is passed on, and the parent ends when all
children have. A child learns from the end of its standard input that its parent is gone, and then stops by itself, so
that ``kill -9`` of the parent leaves no service behind.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from service.clock import Clock
from service.serving import listen, serve, url_of
from service.settings import Components, Settings

KILL_AFTER_GRACE = 15.0
"""Seconds beyond its shutdown timeout after which a child that was asked to stop is killed."""
HEALTHY_AFTER = 10.0
"""Seconds of life after which a child's death is no reason to wait before the next one."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Keeps a number of children running.

    Attributes:
        arguments: of the ``lading`` command that a child runs, without the socket's.
        environ: the children's environment.
        sockets: what the children listen on; the caller's to close.
        processes: how many children there are, at least 1.
        grace: seconds that a child may take to stop.
    """

    arguments: Sequence[str]
    environ: Mapping[str, str]
    sockets: Sequence[socket.socket]
    processes: int
    grace: float

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the children running until ``stop`` is set; return when all have ended."""
        keepers = [asyncio.create_task(self._keep(number, stop), name=f"child {number}") for number in self._numbers()]
        try:
            await asyncio.gather(*keepers)
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)

    def _numbers(self) -> range:
        return range(1, self.processes + 1)

    async def _keep(self, number: int, stop: asyncio.Event) -> None:
        """Run one child after another."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            started = time.monotonic()
            status = await self._run_child(number, stop)
            if stop.is_set():
                return
            pause = FIRST_PAUSE if time.monotonic() - started > HEALTHY_AFTER else min(2 * pause, LONGEST_PAUSE)
            log.error("a child died and is started again", child=number, status=status, pause=pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()

    async def _run_child(self, number: int, stop: asyncio.Event) -> int:
        """Run one child until it ends, by itself or because ``stop`` is set; its exit status."""
        child = await self._start()
        log.info("a child was started", child=number, child_pid=child.pid)
        ended = asyncio.create_task(child.wait())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                child.send_signal(signal.SIGTERM)
                await asyncio.wait({ended}, timeout=self.grace + KILL_AFTER_GRACE)
        finally:
            if child.returncode is None:
                log.error("a child did not stop and is killed", child=number)
                child.kill()
            stopped.cancel()
            status = await ended
            if child.stdin is not None:
                child.stdin.close()
        return status

    async def _start(self) -> Process:
        descriptors = [listening.fileno() for listening in self.sockets]
        options = [option for descriptor in descriptors for option in ("--listen-fd", str(descriptor))]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "service",
            *self.arguments,
            *options,
            stdin=PIPE,
            stdout=DEVNULL,
            env=self.environ,
            pass_fds=descriptors,
            # Ctrl-C at a terminal reaches the whole process group; only the parent is to act on it.
            start_new_session=True,
        )


async def supervise(
    settings: Settings, arguments: Sequence[str], environ: Mapping[str, str], stop: asyncio.Event
) -> None:
    """Bind the configured address and keep ``[service] processes`` children on it until ``stop`` is set.

    Raises:
        OSError: the address cannot be bound.
    """
    options = settings.service
    sockets = listen(options.address, options.port)
    try:
        log.info("supervising", address=url_of(sockets[0]), processes=options.processes, pid=os.getpid())
        supervisor = Supervisor(arguments, environ, sockets, options.processes, options.shutdown_timeout)
        await supervisor.run(stop)
    finally:
        for listening in sockets:
            listening.close()


async def serve_as_child(
    settings: Settings, components: Components, clock: Clock, stop: asyncio.Event, descriptors: Sequence[int]
) -> None:
    """Run the service on the supervisor's sockets until ``stop`` is set or the supervisor is gone.

    Errors: see ``service.serving.serve``.
    """
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    watch = asyncio.create_task(_stop_with_parent(stop), name="supervisor watch")
    try:
        await serve(settings, components, clock, stop, inherited=sockets)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _stop_with_parent(stop: asyncio.Event) -> None:
    """Set ``stop`` when standard input ends: the supervisor, which holds its other end, is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        await reader.read()
        stop.set()
    finally:
        transport.close()
