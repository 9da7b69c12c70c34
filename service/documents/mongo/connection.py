"""The connection to MongoDB: client, collections, translation of errors, and the server's time."""

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import Nearest, PrimaryPreferred, Secondary, SecondaryPreferred

from ....plugins.host.turns import Turns
from ...models.clock import Clock, SteadyClock, SystemClock, TimeCounter, count_nanoseconds
from .. import StoreRefused, StoreUnavailable
from .files import fault_of_files

T = TypeVar("T")

LOCAL = ReadConcern("local")
"""The primary's own state, which might still be rolled back. For what is only a hint: whatever is decided by it is then
written as a compare-and-set of a majority, which fails where the hint was wrong."""


READ_PREFERENCES = {
    "primaryPreferred": PrimaryPreferred,
    "secondary": Secondary,
    "secondaryPreferred": SecondaryPreferred,
    "nearest": Nearest,
}
"""https://www.mongodb.com/docs/manual/core/read-preference/; ``primary`` is the one of all other reads."""

_AUTHENTICATION_FAILED = 18
_ATLAS = 8000
"""The code of many errors of Atlas; only the text tells a wrong password (``bad auth : Authentication failed.``) from
a cluster that is full: https://www.mongodb.com/docs/atlas/reference/faq/storage/
"""
_UNAUTHORIZED = 13
SECTION = "documents.mongo"
SLOW = 1_000_000_000
"""Nanoseconds after which an answer tells the time too inexactly."""


@dataclass(frozen=True, slots=True)
class MongoOptions:
    """How to connect.

    Attributes:
        uri: connection string; may hold a password, so it is in no repr.
        database: name of the database.
        connect_timeout: seconds until a connection is up.
        timeout: seconds for the whole of one operation: the wait for a primary, the answer, retries and the majority's
            acknowledgement.
        read_lists_from: one of ``READ_PREFERENCES``, for lists of imports and albums alone.
        read_lists_max_staleness: seconds that a member may be behind to serve them; at least 90, the driver's least.
        pool_size: connections to each server at most; as many operations run at once.
    """

    uri: str = field(repr=False)
    database: str = "lading"
    connect_timeout: float = 5.0
    timeout: float = 5.0
    read_lists_from: str = "primary"
    read_lists_max_staleness: int = 120
    pool_size: int = 20


class Connection:
    """A client of one database, and the bound on what it does at once.

    Args:
        clock: this machine's. Unless it is ``SystemClock``, or ``counter`` is given, it is the store's clock too: tests
            set both at once.
        counter: the store's clock goes on by it from one measurement of the server's time to the next.

    Attributes:
        clock: the primary's time, as far as it is known. This machine's own clock does not matter to it.
    """

    def __init__(self, options: MongoOptions, clock: Clock, counter: TimeCounter | None = None) -> None:
        self._options = options
        self._counter = counter or count_nanoseconds
        is_steady = counter is not None or isinstance(clock, SystemClock)
        self._steady = SteadyClock(clock.now(), self._counter) if is_steady else None
        self.clock = self._steady or clock
        self._client: AsyncIOMotorClient[dict[str, Any]] | None = None
        self._collections: dict[tuple[str, str | None], AsyncIOMotorCollection[dict[str, Any]]] = {}
        self._places = Turns(options.pool_size, name="mongo")
        self._is_measured = False

    async def open(self) -> None:
        """Connect.

        Raises:
            StoreRefused: the URI, its user or its password is wrong, or the server belongs to no replica set.
            StoreUnavailable: no primary answers.
        """
        # In a thread, since a mongodb+srv URI is resolved at once.
        make = partial(self._make_client, asyncio.get_running_loop())
        try:
            self._client = await asyncio.to_thread(make)
        except (PyMongoError, ValueError, TypeError, OSError) as error:
            # The reason may quote the URI, and with it the password.
            problem = f"is not a valid connection string ({type(error).__name__})"
            fault = await asyncio.to_thread(fault_of_files, self._options.uri)
            raise StoreRefused(fault or problem, SECTION, "uri") from None
        hello = await self.measure_time()
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            problem = "the server must belong to a replica set; one node may be one by itself"
            raise StoreRefused(problem, SECTION, "uri")

    def refusal_of(self, error: StoreUnavailable) -> StoreRefused | None:
        """The refusal behind an error: the server does not accept the user of the URI. None if it is another error."""
        cause = error.__cause__
        if isinstance(cause, OperationFailure) and _is_wrong_password(cause):
            return StoreRefused("the server does not accept this user with this password", SECTION, "uri")
        if isinstance(cause, OperationFailure) and cause.code == _UNAUTHORIZED:
            problem = f"the user needs the role readWrite on the database {self._options.database}"
            return StoreRefused(problem, SECTION, "uri")
        return None

    def sibling(self) -> "Connection":
        """Another connection, not opened, with the same options, places and clock."""
        other = copy(self)
        other._client, other._collections = None, {}  # noqa: SLF001 - of its own class
        return other

    def take(self, other: "Connection") -> None:
        """Go on with the client of a sibling, which has none then."""
        self._client, other._client = other._client, None  # noqa: SLF001 - of its own class
        self._is_measured = other._is_measured  # noqa: SLF001 - likewise

    async def close(self) -> None:
        """Close every connection; operations fail from now on. May be called twice."""
        client, self._client = self._client, None
        self._collections.clear()
        if client is not None:
            # It joins the driver's own threads.
            await asyncio.to_thread(client.close)

    def collection(self, name: str, read_concern: ReadConcern | None = None) -> AsyncIOMotorCollection[dict[str, Any]]:
        """A collection; reads in it are the majority's (durable, and after a write that was acknowledged never older
        than it) unless another read concern is given.

        Raises:
            StoreUnavailable: the connection is not open.
        """
        key = (name, read_concern.level if read_concern else None)
        found = self._collections.get(key)
        if found is None:
            found = self._collections[key] = self.database.get_collection(name, read_concern=read_concern)
        return found

    def listing(self, name: str, read_concern: ReadConcern | None = None) -> AsyncIOMotorCollection[dict[str, Any]]:
        """A ``collection`` for lists, read from the members that the options name: what is found may be old.

        Raises:
            StoreUnavailable: the connection is not open.
        """
        mode = READ_PREFERENCES.get(self._options.read_lists_from)
        if mode is None:
            return self.collection(name, read_concern)
        preference = mode(max_staleness=self._options.read_lists_max_staleness)
        # Motor's types name the class of the constants, which is not the one of the values.
        return self.collection(name, read_concern).with_options(read_preference=preference)  # type: ignore[arg-type]

    @property
    def database(self) -> AsyncIOMotorDatabase[dict[str, Any]]:
        """The database.

        Raises:
            StoreUnavailable: the connection is not open.
        """
        if self._client is None:
            raise StoreUnavailable("MongoDB: the document store is not open")
        return self._client.get_database(self._options.database)

    async def run(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Do something with the database, among no more than ``pool_size`` at once, which issuers do in turn.

        Raises:
            StoreUnavailable: it cannot be reached, has no primary, answered too late, could not confirm, or refused.
        """
        try:
            give_back = await self._places.take(self._options.timeout)
        except TimeoutError:
            raise StoreUnavailable("MongoDB: too many operations are waiting for an answer") from None
        try:
            return await operation()
        except PyMongoError as error:
            raise StoreUnavailable(f"MongoDB: {reason_of(error)}") from error
        finally:
            give_back()

    # --- time ---------------------------------------------------------------------------------------------------------

    async def measure_time(self) -> dict[str, Any]:
        """Set ``clock`` by the server's time; the server's answer to ``hello``."""
        sent = self._counter()
        hello = await self.run(lambda: self.database.command("hello", codec_options=self.database.codec_options))
        took = self._counter() - sent
        # The error is half of the time it took at most; a slow answer does not replace what is known.
        if self._steady is not None and (not self._is_measured or took < SLOW):
            self._steady.set(hello["localTime"], sent + took // 2)
            self._is_measured = True
        return hello

    def _make_client(self, loop: asyncio.AbstractEventLoop) -> AsyncIOMotorClient[dict[str, Any]]:
        options = self._options
        return AsyncIOMotorClient(
            options.uri,
            io_loop=loop,
            appname="lading",
            tz_aware=True,
            tzinfo=UTC,
            w="majority",
            journal=True,
            readConcernLevel="majority",
            readPreference="primary",
            retryWrites=True,
            retryReads=True,
            # For the driver's few operations that timeoutMS does not bound; the others look for a primary within that.
            serverSelectionTimeoutMS=round(options.timeout * 1000),
            connectTimeoutMS=round(options.connect_timeout * 1000),
            timeoutMS=round(options.timeout * 1000),
            maxPoolSize=options.pool_size,
        )


def _is_wrong_password(error: OperationFailure) -> bool:
    return error.code == _AUTHENTICATION_FAILED or (error.code == _ATLAS and "bad auth" in str(error).lower())


def reason_of(error: Exception) -> str:
    """What the driver says, without the server's whole answer and the state of every server that it appends."""
    reason = str(error)
    for appendix in (", full error:", ", Timeout:", ", Topology Description:"):
        reason = reason.partition(appendix)[0]
    return reason or type(error).__name__
