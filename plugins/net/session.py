"""Threads for libraries that open sockets themselves and block, such as ``ftplib``: every connection is judged.

The interpreter tells of a connection before it is made (the audit event ``socket.connect``, PEP 578), whichever library
makes it and wherever its address comes from: a URL, a name service, or a server's answer. What is denied never sees a
packet.
"""

import asyncio
import errno
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any, Final, NamedTuple, TypeVar, TypeVarTuple, cast

from ..errors import AddressNotAllowed, ConnectFailed, ConnectionLost, FetcherBusy
from .addresses import AddressPolicy
from .sockets import AddressDenied

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

_SHUTDOWN_SECONDS: Final = 0.05
"""After so long an ended session looks again for connections to shut down: one may have been about to begin."""
_INET: Final = frozenset({socket.AF_INET, socket.AF_INET6})


class _Connection(NamedTuple):
    """A connection by its descriptor: TLS puts another object around it."""

    descriptor: int
    inode: int


class Session:
    """The blocking calls of one fetch; made by ``NetworkGuard.session``.

    A cancelled call, and the end of the session, shut down the connections that were made within it: what blocks in a
    thread returns, and the thread ends. Threads that a library starts by itself are not judged. Host names that a
    library looks up by itself block its thread for as long as the system waits; ``create_connection`` bounds that.
    """

    def __init__(
        self, policy: AddressPolicy, resolve: Callable[[str], Awaitable[tuple[str, ...]]], connect_timeout: float
    ) -> None:
        _install_hook()
        self._policy = policy
        self._resolve = resolve
        self._connect_timeout = connect_timeout
        self._loop = asyncio.get_running_loop()
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        self._denied: AddressDenied | None = None
        self._ended = False

    async def call(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Call a function in a thread. When this call ends, also as cancelled, the function has ended too.

        Raises:
            AddressNotAllowed: the function failed after a connection to a denied address was refused.
            ConnectionLost: the session has ended.
            FetcherBusy: the system has no thread left.
            Exception: what the function raised otherwise.
        """
        if self._ended:
            raise ConnectionLost("the fetcher is closed")
        done: asyncio.Future[tuple[Result | None, BaseException | None]] = self._loop.create_future()
        context = copy_context()
        context.run(_present.set, self)

        def run() -> None:
            result, error = None, None
            try:
                result = context.run(function, *arguments)
            except BaseException as caught:  # noqa: BLE001 - raised where it is waited for
                error = caught
            with suppress(RuntimeError):  # the loop has been closed meanwhile
                self._loop.call_soon_threadsafe(done.set_result, (result, error))

        try:
            threading.Thread(target=run, name="lading-session", daemon=True).start()
        except RuntimeError as error:
            raise FetcherBusy("no thread is left for a connection") from error
        await self._ended_call(done)
        result, failure = done.result()
        if failure is not None and self._denied is not None:
            raise AddressNotAllowed(self._denied.strerror or "") from failure
        if self._ended:  # to the function, a connection that was shut down ended in good order
            raise ConnectionLost("the fetcher is closed") from failure
        if failure is not None:
            raise failure
        return cast("Result", result)

    def create_connection(
        self,
        address: tuple[str, int],
        timeout: float | None = None,
        source_address: tuple[str, int] | None = None,
    ) -> socket.socket:
        """As ``socket.create_connection``, in its place: looks the host up by the guard's resolver. Blocks.

        For the thread of a ``call``: give it to a library that takes such a function, such as
        ``http.client.HTTPConnection._create_connection``, or take the socket that it gives.

        Args:
            address: host and port.
            timeout: seconds for connecting, and for every wait on the socket; ``connect_timeout`` where it is None.
            source_address: see ``socket.create_connection``.

        Raises:
            FetchError: as ``NetworkGuard.resolve``; ``ConnectFailed`` where no address answers.
        """
        if threading.get_ident() == getattr(self._loop, "_thread_id", None):
            raise RuntimeError("create_connection blocks: use it in Session.call, or await NetworkGuard.connect")
        host, port = address
        # The task has the context of this thread: the issuer's turn, and the trace.
        found = asyncio.run_coroutine_threadsafe(self._resolved(host), self._loop).result()
        failure: OSError | None = None
        for one in found:
            try:
                return socket.create_connection((one, port), timeout or self._connect_timeout, source_address)
            except AddressDenied:
                raise
            except OSError as error:
                failure = error
        raise ConnectFailed(f"{host}: {errno_name(failure)}") from failure

    def end(self) -> None:
        """Shut down every connection of the session; further ones are refused. May be called twice, in any thread."""
        self._ended = True
        with self._lock:
            for connection in self._connections:
                _shut_down(connection)

    def judge(self, made: socket.socket, address: Any) -> None:
        """Let a connection be made, or not; called before each, in the thread that makes it.

        Raises:
            AddressDenied: it is to a denied address, or to a host name, which the system would look up unjudged.
            ConnectionAbortedError: the session has ended.
        """
        if made.family not in _INET:
            return
        host = str(address[0])
        verdict = self._policy.verdict(host)
        if not verdict.allowed:
            self._denied = AddressDenied(errno.EACCES, f"{host}: {verdict.rule}")
            raise self._denied
        with self._lock:
            self._connections = {one for one in self._connections if _is_open(one)}
            self._connections.add(_Connection(made.fileno(), os.fstat(made.fileno()).st_ino))
            if self._ended:
                raise ConnectionAbortedError(errno.ECONNABORTED, "the session has ended")

    async def _resolved(self, host: str) -> tuple[str, ...]:
        return await self._resolve(host)

    async def _ended_call(self, done: asyncio.Future[Any]) -> None:
        """Wait for the thread: it uses what the caller would release."""
        is_cancelled = False
        while not done.done():
            try:
                await asyncio.wait((done,), timeout=_SHUTDOWN_SECONDS if self._ended else None)
            except asyncio.CancelledError:
                is_cancelled = True
                self._ended = True
            if self._ended:
                self.end()
        if is_cancelled:
            raise asyncio.CancelledError


_present: ContextVar[Session | None] = ContextVar("lading_session", default=None)
_hook_lock: Final = threading.Lock()
_hook_installed = False


def _install_hook() -> None:
    # An audit hook cannot be taken out again; outside of a session it does nothing.
    global _hook_installed  # noqa: PLW0603
    with _hook_lock:
        if not _hook_installed:
            sys.addaudithook(_hook)
            _hook_installed = True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and (session := _present.get()) is not None:
        session.judge(*arguments)


def errno_name(error: OSError | None) -> str:
    """Such as ``ECONNREFUSED``; the system's sentence may hold an address."""
    return errno.errorcode.get((error and error.errno) or 0, type(error).__name__)


def _is_open(connection: _Connection) -> bool:
    try:
        return os.fstat(connection.descriptor).st_ino == connection.inode
    except OSError:
        return False


def _shut_down(connection: _Connection) -> None:
    """Shut it down, wherever its object is; the descriptor may have become another's meanwhile."""
    with suppress(OSError):
        copy = os.dup(connection.descriptor)
        if os.fstat(copy).st_ino != connection.inode:
            os.close(copy)
            return
        with socket.socket(fileno=copy) as made:
            made.shutdown(socket.SHUT_RDWR)
