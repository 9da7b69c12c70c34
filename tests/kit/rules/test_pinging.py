"""The cases on ``ping`` find detectors, fetchers and processors whose ping is wrong in one way at a time."""

import asyncio
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lading.plugins import SupportsPing
from lading.plugins.errors import DetectError, FetchError, OriginUnavailable, PluginError, ProcessError
from lading.plugins.testing import FetcherSuite, Outage, ProcessorSuite, TypeDetectorSuite, leaks
from lading.plugins.testing.common import pinging
from lading.plugins.testing.common.pinging import PingCases
from lading.plugins.testing.suite import run_case

AGAIN = "test_ping_again_and_at_once"
CANCELLED = "test_ping_cancelled_at_every_await"
AWAY = "test_ping_in_an_outage"
CLOSED = "test_ping_after_close"


class Pinging(SupportsPing):
    """Asks a server on a Unix socket, which answers with one byte."""

    error: ClassVar[type[PluginError]] = DetectError

    def __init__(self, address: Path) -> None:
        self.address = address
        self.is_closed = False

    async def ping(self) -> None:
        if self.is_closed:
            raise self.error("closed")
        try:
            async with asyncio.timeout(0.3):
                await self.ask()
        except (OSError, TimeoutError) as error:
            raise self.error("the server does not answer") from error

    async def ask(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self.address))
        try:
            if not await reader.read(1):
                raise ConnectionResetError
        finally:
            writer.close()

    async def close(self) -> None:
        self.is_closed = True


class SaysAllIsWell(Pinging):
    async def ping(self) -> None:
        if self.is_closed:
            raise self.error("closed")


class LetsOsErrorsOut(Pinging):
    async def ping(self) -> None:
        if self.is_closed:
            raise self.error("closed")
        await self.ask()


class BlamesTheOrigin(Pinging):
    error = OriginUnavailable


class WaitsForEver(Pinging):
    async def ping(self) -> None:
        if self.is_closed:
            raise self.error("closed")
        try:
            await self.ask()
        except OSError as error:
            raise self.error("the server does not answer") from error


class StaysDown(Pinging):
    is_down = False

    async def ping(self) -> None:
        self.is_down = self.is_down or not self.address.exists()
        if self.is_down:
            raise self.error("the server is not there")
        await super().ping()


class PingsOnce(Pinging):
    is_busy = False

    async def ping(self) -> None:
        if self.is_busy:
            raise self.error("another ping is running")
        self.is_busy = True
        await super().ping()
        self.is_busy = False


class SwallowsCancellation(Pinging):
    async def ask(self) -> None:
        with suppress(asyncio.CancelledError):
            await super().ask()


class LeavesItsConnection(Pinging):
    left: ClassVar[list[socket.socket]] = []

    async def ask(self) -> None:
        self.left.append(socket.socket(socket.AF_UNIX))
        await super().ask()


class PingsAfterClose(Pinging):
    async def close(self) -> None:
        return


class Server:
    """Answers each connection with a byte, until it is taken away."""

    def __init__(self, address: Path) -> None:
        self.address = address

    @asynccontextmanager
    async def listening(self, byte: bytes) -> AsyncIterator[None]:
        """Within the block each connection gets the byte, and its end then; with none, it gets nothing."""

        # asyncio's own server answers in a task of each connection. A loop that ends before that task has begun leaves
        # the connection open.
        def answer() -> None:
            connection = stack.enter_context(listener.accept()[0])
            if byte:
                with suppress(BrokenPipeError):
                    connection.send(byte)
                connection.close()

        with ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.setblocking(False)
            listener.bind(str(self.address))
            stack.callback(self.address.unlink)
            listener.listen()
            loop = asyncio.get_running_loop()
            loop.add_reader(listener, answer)
            stack.callback(loop.remove_reader, listener)
            yield


class PingSuite(PingCases):
    """A suite of these cases alone."""

    plugin: ClassVar[type[Pinging]] = Pinging
    ping_error: ClassVar[type[PluginError]] = DetectError
    outages: Collection[Outage] = tuple(Outage)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.place.mkdir()
        self.server = Server(self.place / "s")
        async with self.server.listening(b"x"):
            yield

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Any]:
        plugin = self.plugin(self.server.address)
        try:
            yield plugin
        finally:
            await plugin.close()

    @asynccontextmanager
    async def outage(self, outage: Outage) -> AsyncIterator[None]:
        away = self.server.address.rename(self.place / "away")
        try:
            if outage is Outage.SILENT:
                async with self.server.listening(b""):
                    yield
            else:
                yield
        finally:
            away.rename(self.server.address)


@dataclass(frozen=True)
class Fault:
    """A plugin whose ping is wrong, the case that finds it, its parameters, and words of its message."""

    plugin: type[Pinging]
    case: str
    says: str
    arguments: tuple[Outage, ...] = ()

    def __str__(self) -> str:
        return "-".join((self.plugin.__name__, self.case, *self.arguments))


FAULTS = [
    Fault(SaysAllIsWell, AWAY, "ping of what is down succeeds", (Outage.DOWN,)),
    Fault(SaysAllIsWell, AWAY, "ping of what is silent succeeds", (Outage.SILENT,)),
    Fault(LetsOsErrorsOut, AWAY, "raises FileNotFoundError: raise a DetectError from it", (Outage.DOWN,)),
    Fault(BlamesTheOrigin, AWAY, "raises OriginUnavailable: raise a DetectError", (Outage.DOWN,)),
    Fault(WaitsForEver, AWAY, "waits for more than", (Outage.SILENT,)),
    Fault(StaysDown, AWAY, "the server is not there", (Outage.DOWN,)),
    Fault(PingsOnce, AGAIN, "another ping is running"),
    Fault(SwallowsCancellation, CANCELLED, "cancelled at await 1, ended with"),
    Fault(LeavesItsConnection, AGAIN, "left behind after close"),
    Fault(PingsAfterClose, CLOSED, "ping after close succeeds"),
]


def run(suite: PingCases, case: str, place: Path, *arguments: object) -> None:
    suite.place = place
    run_case(suite, getattr(suite, case)(*arguments))


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_cases_find(
    fault: Fault, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(pinging, "PING_SECONDS", 1.0)

    class SuiteUnderTest(PingSuite):
        plugin: ClassVar[type[Pinging]] = fault.plugin

    try:
        with pytest.raises((AssertionError, PluginError)) as caught:
            run(SuiteUnderTest(), fault.case, tmp_path_factory.mktemp("p") / "p", *fault.arguments)
        assert fault.says in str(caught.value)
    finally:
        while LeavesItsConnection.left:
            LeavesItsConnection.left.pop().close()


@pytest.mark.parametrize(
    ("suite", "error"),
    [(FetcherSuite, FetchError), (TypeDetectorSuite, DetectError), (ProcessorSuite, ProcessError)],
)
def test_each_kind_of_plugin_with_a_ping_has_the_cases(suite: type[PingCases], error: type[PluginError]) -> None:
    assert issubclass(suite, PingCases)
    assert suite.ping_error is error


def test_a_plugin_without_a_ping_is_not_asked(tmp_path: Path) -> None:
    class Mute:
        async def close(self) -> None:
            return

    class Suite(PingSuite):
        @asynccontextmanager
        async def opened(self) -> AsyncIterator[Any]:
            yield Mute()

    with pytest.raises(pytest.skip.Exception, match="ping: Mute is no SupportsPing"):
        run(Suite(), AGAIN, tmp_path / "p")


class TestTheCasesAreFair(PingSuite):
    """A plugin whose ping is right passes them."""
