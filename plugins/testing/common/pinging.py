"""Cases of the suites of fetchers, detectors and processors: the capability ``SupportsPing``."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import pytest

from ...capabilities import SupportsPing
from ...errors import PluginError
from ...host.pinging import PING_SECONDS
from ..cancellation import CancelAt, attempt
from ..judging import assert_well_formed
from ..suite import UNSUPPORTED, Suite, Told, slowness


class Outage(Told):
    """How what a plugin needs can be away; ``told`` says what is the matter."""

    DOWN = "down", "It is not there: nobody listens, or the program is not installed."
    SILENT = "silent", "It accepts each request, and never answers."


class PingCases(Suite):
    """Of a plugin without ``SupportsPing`` they are skipped.

    Attributes:
        outages: the outages that ``outage`` can make. The kit skips the cases of the others.
        ping_error: the base of the errors that ``ping`` raises, by the kind of the plugin.
    """

    outages: Collection[Outage] = ()
    ping_error: ClassVar[type[PluginError]]

    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[Any]:
        """A plugin; it is closed on exit."""

    def outage(self, outage: Outage) -> AbstractAsyncContextManager[None]:
        """Take away what the plugin's ``ping`` needs within the block, and give it back then; see ``Outage.told``.

        The kit calls it for those in ``outages``.
        """
        raise NotImplementedError(f"outages has {outage}, and outage() does not make it")

    async def test_ping_again_and_at_once(self) -> None:
        """``ping`` succeeds while the plugin can work, repeatedly and concurrently."""
        async with self._pinged() as pinger:
            for _ in range(3):
                await pinger.ping()
            await asyncio.gather(*(pinger.ping() for _ in range(5)))

    async def test_ping_cancelled_at_every_await(self) -> None:
        """A cancelled ``ping`` ends as cancelled, at whichever await, and the next one succeeds."""
        async with self._pinged() as pinger:
            for nth in range(1, 1000):
                driver = CancelAt(pinger.ping(), nth)
                task = await driver.run()
                if not driver.reached:
                    break
                assert task.cancelled(), f"ping, cancelled at await {nth}, ended with {task}"
                await pinger.ping()

    @pytest.mark.parametrize("outage", Outage)
    async def test_ping_in_an_outage(self, outage: Outage) -> None:
        """``ping`` without what the plugin needs raises an error of the plugin's kind in time, and recovers after."""
        async with self._pinged() as pinger:
            if outage not in self.outages:
                pytest.skip(f"{UNSUPPORTED}{outage}: outages of the suite has no such outage")
            for _ in range(2):
                async with self.outage(outage):
                    result = await self._in_time(pinger, outage)
                self._assert_ping_error(result, f"ping of what is {outage}")
                await pinger.ping()

    async def test_ping_after_close(self) -> None:
        """``ping`` after ``close`` raises an error of the plugin's kind."""
        async with self._pinged() as pinger:
            await pinger.close()  # type: ignore[attr-defined]  # every plugin has it
            self._assert_ping_error(await attempt(pinger.ping()), "ping after close")

    @asynccontextmanager
    async def _pinged(self) -> AsyncIterator[SupportsPing]:
        """A plugin whose ping has succeeded; the case is skipped where it has none."""
        async with self.opened() as plugin:
            if not isinstance(plugin, SupportsPing):
                pytest.skip(f"{UNSUPPORTED}ping: {type(plugin).__name__} is no SupportsPing")
            await plugin.ping()
            yield plugin

    async def _in_time(self, pinger: SupportsPing, outage: Outage) -> object:
        task = asyncio.create_task(attempt(pinger.ping()))
        done, _ = await asyncio.wait((task,), timeout=PING_SECONDS * slowness())
        task.cancel()
        await asyncio.wait((task,))
        assert done, (
            f"ping of what is {outage} waits for more than {PING_SECONDS:.0f} s: give it a deadline of its own, so that"
            " its error says what is away"
        )
        return task.result()

    def _assert_ping_error(self, result: object, what: str) -> None:
        assert isinstance(result, Exception), f"{what} succeeds: it raises no error"
        assert isinstance(result, self.ping_error), (
            f"{what} raises {type(result).__name__}: raise a {self.ping_error.__name__} from it ({result!r})"
        )
        assert_well_formed(result, what)
