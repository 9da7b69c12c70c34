"""Several service processes on one listening socket, and the parent that keeps them running.

The parent binds the socket and hands it to its children; the kernel gives each connection to one of them. The parent
restarts a child that dies, after a pause of up to two seconds if the child died at once. While no child serves, the
parent itself answers, with 503. The parent passes SIGTERM on, and ends when all children have ended; at a second
SIGTERM it kills them. It passes SIGHUP on if the configuration has no fault.

A child's standard input is a socket. When the socket ends, the child knows that its parent is gone, and stops, so that
``kill -9`` of the parent leaves no service behind. Through the same socket the child says, with one byte, that it
serves; and why it cannot start, with a text, before it ends. If no other child serves then, the parent ends with that
text, since the next child could not start either.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from ...config import Settings
from ...observe.logs import set_level
from ...observe.metrics.ledger import SUPERVISOR, Board, tell_pid
from ...observe.metrics.recorder import Recorder
from ..admin.listener import admin_sockets
from ..signals.handlers import Wishes, end_now
from ..signals.parts import Section
from ..signals.reloading import Reloading
from ..sockets import close_all, listen, url_of
from .children import SERVING, Children
from .standby import answering

KILL_AFTER_GRACE = 15.0
"""Seconds beyond its shutdown timeout after which the parent kills a child that does not stop."""
HEALTHY_AFTER = 10.0
"""Seconds of service after which the parent restarts a dead child without a pause."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 2.0
"""Seconds before a dead child is restarted; the pause doubles with each child that dies at once."""
PATIENCE = 2.0
"""Seconds without a serving child, about as long as a start, after which the parent answers instead."""
SAID_AFTER = 3
"""Deaths in a row after which the parent logs that a child always dies, and then nothing more until the child lives."""
MAX_REFUSAL = 64 * 1024
"""Bytes of the text of a child that cannot start."""

log = structlog.get_logger(__name__)


class StartRefused(Exception):
    """A child cannot start, and no other child would; the text says why."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Keeps a number of children running.

    Attributes:
        arguments: of the ``lading`` command that a child runs, without those about the socket.
        environ: the children's environment.
        sockets: the sockets that the children listen on; the caller closes them.
        admin: the same of the admin listener.
        board: the metrics of all processes; None without an admin listener.
        processes: number of children, at least 1.
        grace: seconds that a child may take to stop.
        children: those that run.
        refusals: the texts of children that could not start while no other child served.
    """

    arguments: Sequence[str]
    environ: Mapping[str, str]
    sockets: Sequence[socket.socket]
    processes: int
    grace: float
    admin: Sequence[socket.socket] = ()
    board: Board | None = None
    children: Children = field(default_factory=Children)
    refusals: list[str] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the children running until ``stop`` is set; return when all have ended.

        Raises:
            StartRefused: no child can start.
        """
        keepers = [asyncio.create_task(self._keep(number, stop), name=f"child {number}") for number in self._numbers()]
        standby = asyncio.create_task(self._stand_by(), name="standby")
        try:
            await asyncio.gather(*keepers)
        finally:
            for task in (*keepers, standby):
                task.cancel()
            await asyncio.gather(*keepers, standby, return_exceptions=True)
        if self.refusals:
            raise StartRefused(self.refusals[0])

    def _numbers(self) -> range:
        return range(1, self.processes + 1)

    async def _stand_by(self) -> None:
        """Answer while no child serves, except for the short time of a start."""
        while True:
            await self.children.by_none.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self.children.by_some.wait()
                continue
            log.warning("no child process serves; the supervisor answers requests with 503")
            try:
                async with answering([*self.sockets, *self.admin]):
                    await self.children.by_some.wait()
            except OSError as error:
                log.error("the supervisor cannot answer requests with 503", reason=str(error))  # noqa: TRY400  # its text says it all
                await asyncio.sleep(PATIENCE)
                continue
            log.info("a child process serves; the supervisor stops answering requests")

    async def _keep(self, number: int, stop: asyncio.Event) -> None:
        """Run one child after another."""
        pause = FIRST_PAUSE
        young_deaths = 0
        while not stop.is_set():
            status, refusal = await self._run_child(number, stop)
            served = self.children.ended(number)
            if self.board is not None:
                self.board.gauges(number).clear()
            if stop.is_set():
                return
            if refusal and self.children.by_none.is_set():
                self.refusals.append(refusal)
                stop.set()
                return
            self._count_restart()
            if served > HEALTHY_AFTER:
                pause, young_deaths = FIRST_PAUSE, 0
            else:
                pause, young_deaths = min(2 * pause, LONGEST_PAUSE), young_deaths + 1
            if young_deaths <= 1:
                log.error(
                    "a child process died; the supervisor starts it again", child=number, status=status, pause=pause
                )
            elif young_deaths == SAID_AFTER:
                log.error("a child process dies at every start", child=number, status=status, pause=LONGEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()

    def _count_restart(self) -> None:
        if self.board is not None:
            Recorder(self.board.counters(SUPERVISOR)).child_restarted()

    async def _run_child(self, number: int, stop: asyncio.Event) -> tuple[int, str]:
        """Run one child until it ends, by itself or because ``stop`` is set; see ``_until_ended``."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                child = await self._start(number, theirs)
            self.children.started(number, child)
            return await self._until_ended(number, child, ours, stop)

    async def _until_ended(
        self, number: int, child: Process, ours: socket.socket, stop: asyncio.Event
    ) -> tuple[int, str]:
        """Watch a started child.

        Returns:
            its exit status, and why it could not start; an empty text unless it said so.
        """
        log.debug("started a child process", child=number, child_pid=child.pid)
        news = asyncio.create_task(self._listen_to(number, ours), name=f"news of child {number}")
        ended = asyncio.create_task(child.wait())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                child.send_signal(signal.SIGTERM)
                await asyncio.wait({ended}, timeout=self.grace + KILL_AFTER_GRACE)
        finally:
            if child.returncode is None:
                log.error("a child process did not stop; the supervisor kills it", child=number)
                child.kill()
            stopped.cancel()
            status = await ended
            (refusal,) = await asyncio.gather(news, return_exceptions=True)  # ends with the child, and its socket
        return status, refusal if isinstance(refusal, str) else ""

    async def _listen_to(self, number: int, ours: socket.socket) -> str:
        """Wait until the child says that it serves, and then until it ends.

        Returns:
            why it cannot start, if it says so.
        """
        ours.setblocking(False)
        said = b""
        while len(said) < MAX_REFUSAL and (piece := await asyncio.get_running_loop().sock_recv(ours, MAX_REFUSAL)):
            if not said and piece.startswith(SERVING):
                log.info("a child process serves", child=number)
                self.children.serves(number)
            said += piece
        return said.removeprefix(SERVING).decode(errors="replace")

    async def _start(self, number: int, stdin: socket.socket) -> Process:
        named = [("--listen-fd", one.fileno()) for one in self.sockets]
        named += [("--admin-fd", one.fileno()) for one in self.admin]
        if self.board is not None and self.board.descriptor is not None:
            named.append(("--board-fd", self.board.descriptor))
        options = [text for name, descriptor in named for text in (name, str(descriptor))]
        options += ["--child", str(number)]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            # Neither the working directory nor PYTHONPATH decides what the child imports (CWE-427).
            "-P",
            "-m",
            "lading",
            *self.arguments,
            *options,
            stdin=stdin.fileno(),
            stdout=DEVNULL,
            env={name: value for name, value in self.environ.items() if name != "PYTHONPATH"},
            pass_fds=[descriptor for _, descriptor in named],
            # Ctrl-C at a terminal reaches the whole process group, and only the parent must react.
            start_new_session=True,
        )


async def supervise(
    settings: Settings,
    arguments: Sequence[str],
    environ: Mapping[str, str],
    wishes: Wishes,
    reloading: Reloading,
) -> None:
    """Bind the configured addresses and keep ``[service] processes`` children on them until somebody wishes this to
    stop. If somebody wishes the end at once, this kills the children and ends the process.

    The kernel gives each connection to one of the children, also at the admin listener: whichever child answers there,
    it answers for all of them.

    Raises:
        OSError: an address cannot be bound.
        StartRefused: no child can start.
    """
    options = settings.service
    grace = options.drain_delay + options.shutdown_timeout
    levels = Section("service", lambda new: set_level(new.service.log_level), "log_level")
    async with contextlib.AsyncExitStack() as stack:
        sockets = listen(options.address, options.port)
        stack.callback(close_all, sockets)
        admin = admin_sockets(settings)
        stack.callback(close_all, admin)
        supervisor = Supervisor(arguments, environ, sockets, options.processes, grace, admin, _board(settings))
        for watching in (
            reloading.run(wishes, (levels,), supervisor.children.reload),
            _end(wishes, supervisor.children),
        ):
            stack.push_async_callback(_cancelled, asyncio.create_task(watching, name="wishes"))
        log.info("supervising", address=url_of(sockets[0]), processes=options.processes, pid=os.getpid())
        await supervisor.run(wishes.stop)


def _board(settings: Settings) -> Board | None:
    """The metrics of this process and its children; None without an admin listener."""
    if settings.admin.port is None:
        return None
    board = Board.shared(settings.service.processes)
    tell_pid(board.gauges(SUPERVISOR))
    return board


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _end(wishes: Wishes, children: Children) -> None:
    number = await wishes.end.get()
    await children.kill()
    end_now(number)
