"""Threads that own database connections, and the bounded queue through which coroutines reach them.

A connection is opened, used and closed by one thread, so nothing of SQLite ever runs on the event loop.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .....plugins.host.turns import Turns
from ... import StoreUnavailable
from .connections import HeldConnection
from .file import is_unavailability, unavailable

T = TypeVar("T")


class Call:
    """One operation to be run on a connection, and its outcome.

    Attributes:
        operation: what to run, in a thread.
        result, error: the outcome; at most one of them is set.
    """

    def __init__(
        self,
        operation: Callable[[sqlite3.Connection], Any],
        done: asyncio.Future[None],
        give_back: Callable[[], None],
    ) -> None:
        self.operation = operation
        self.result: Any = None
        self.error: Exception | None = None
        self._done = done
        self._give_back = give_back

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for the outcome; may be asked in any thread."""
        return not self._done.cancelled()

    def deliver(self) -> None:
        """Give the place of the call back and wake the waiting task, on the event loop."""
        self._give_back()
        if not self._done.done():
            self._done.set_result(None)


class ConnectionThreads:
    """Threads, each with a connection of its own, that serve calls from one queue.

    Args:
        name: name of the threads.
        path: the file, to be named in errors.
        connect: opens a connection, in the thread that will use it.
        process: runs a batch of calls on a connection and sets their outcomes; where it raises, or leaves a
            transaction open, the whole batch has failed.
        threads: how many.
        batch: how many calls at most are handed to ``process`` at once.
        capacity: how many calls at most wait in the queue or run; further callers wait for a place, which issuers get
            in turn. The queue itself knows no turns, so a call is behind as many others at most.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        connect: Callable[[], sqlite3.Connection],
        process: Callable[[sqlite3.Connection, Sequence[Call]], None],
        *,
        threads: int,
        batch: int,
        capacity: int,
    ) -> None:
        self._name = name
        self._path = path
        self._connect = connect
        self._process = process
        self._count = threads
        self._batch = batch
        self._places = Turns(capacity)
        self._queue: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._is_open = False
        self._threads: list[threading.Thread] = []
        self._ends: list[asyncio.Future[None]] = []

    async def open(self) -> None:
        """Start the threads and wait until each has its connection. May be called again after ``close``.

        Raises:
            StoreUnavailable: from ``connect``. ``close`` must be called all the same.
        """
        self._loop = asyncio.get_running_loop()
        # Threads that ended without a connection have left in the queue what was to end them.
        self._queue, self._threads, self._ends = queue.SimpleQueue(), [], []
        starts: list[asyncio.Future[Exception | None]] = []
        for number in range(self._count):
            start: asyncio.Future[Exception | None] = self._loop.create_future()
            end: asyncio.Future[None] = self._loop.create_future()
            # A daemon, since a process that fails before it calls close must still be able to end.
            thread = threading.Thread(target=self._main, args=(start, end), name=f"{self._name}-{number}", daemon=True)
            thread.start()
            starts.append(start)
            self._ends.append(end)
            self._threads.append(thread)
        errors: list[Exception | None] = []
        try:
            errors = await asyncio.gather(*starts)
            # Not before: nobody would serve a call if no thread gets a connection.
            self._is_open = not any(errors)
        finally:
            if not self._is_open:
                self._queue.put(None)
        for error in errors:
            if error is not None:
                raise error

    async def run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``operation`` in one of the threads and return what it returns, or raise what it raises.

        A caller that is cancelled while its operation still waits withdraws it; once it runs, it runs to its end.

        Raises:
            StoreUnavailable: the database does not answer, or the threads are not open.
        """
        give_back = await self._places.take()
        if not self._is_open:
            give_back()
            raise StoreUnavailable(f"SQLite database {self._path} is not open")
        done: asyncio.Future[None] = self._loop.create_future()
        call = Call(operation, done, give_back)
        self._queue.put(call)
        await done
        if call.error is not None:
            if is_unavailability(call.error):
                raise unavailable(self._path, call.error) from call.error
            raise call.error
        result: T = call.result
        return result

    async def close(self) -> None:
        """Serve what is in the queue, close the connections and end the threads. May be called twice."""
        if self._is_open:
            self._is_open = False
            self._queue.put(None)
        if self._ends:
            await asyncio.wait(self._ends)
        for thread in self._threads:
            thread.join()  # it has said its last word, so this does not wait

    # --- in the threads -----------------------------------------------------------------------------------------------

    def _main(self, start: asyncio.Future[Exception | None], end: asyncio.Future[None]) -> None:
        try:
            held = HeldConnection(self._connect)
        except Exception as error:  # noqa: BLE001 - it is raised in the task that opens
            self._post(_settle, start, error)
            self._post(_settle, end, None)
            return
        self._post(_settle, start, None)
        try:
            while calls := self._take():
                self._serve(held, calls)
                self._post(self._deliver, calls)
        finally:
            held.close()
            self._post(_settle, end, None)

    def _take(self) -> list[Call]:
        """Wait for a call and take what else has gathered; nothing where the threads are to end."""
        calls: list[Call] = []
        call = self._queue.get()
        while call is not None:
            calls.append(call)
            if len(calls) == self._batch:
                return calls
            try:
                call = self._queue.get_nowait()
            except queue.Empty:
                return calls
        self._queue.put(None)  # for the next thread, or for this one's next turn
        return calls

    def _serve(self, held: HeldConnection, calls: Sequence[Call]) -> None:
        """Run the calls, and leave the connection outside of any transaction, whatever they did and raised."""
        try:
            self._use(held.get(), calls)
        except Exception as error:  # noqa: BLE001 - it is raised in the tasks that wait
            for call in calls:
                call.result, call.error = None, error
        held.settle([call.error for call in calls if call.error is not None])

    def _use(self, connection: sqlite3.Connection, calls: Sequence[Call]) -> None:
        self._process(connection, [call for call in calls if call.is_wanted])
        if connection.in_transaction:
            # Nobody else would ever read what the calls believe to have written.
            raise StoreUnavailable(f"SQLite database {self._path}: a transaction was left open")

    def _deliver(self, calls: Sequence[Call]) -> None:
        for call in calls:
            call.deliver()

    def _post(self, callback: Callable[..., None], *args: Any) -> None:
        # Where the loop has been closed, nobody waits for an answer any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)


def run_each(connection: sqlite3.Connection, calls: Sequence[Call]) -> None:
    """Run each call by itself; the ``process`` of readers."""
    for call in calls:
        try:
            call.result = call.operation(connection)
        except Exception as error:  # noqa: BLE001 - it is raised in the task that waits
            call.error = error


def _settle(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)
