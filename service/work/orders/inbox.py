"""All orders to one worker, which looks at them every second."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from ...documents import DocumentStore, StoreUnavailable
from ...models import Import
from ...observe.outages import Outage
from .crew import Identity, State
from .pauses import Paused, PauseWatch
from .presence import Presence

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks of a worker at its orders."""

log = structlog.get_logger(__name__)


class Orders:
    """What a worker knows of the pauses of the queue, and of its own drain.

    Args:
        identity, lease, let_go: see ``Presence``.
        changed: called when the orders have changed.
    """

    def __init__(
        self,
        store: DocumentStore,
        identity: Identity,
        lease: timedelta,
        changed: Callable[[], None],
        let_go: Callable[[], Awaitable[bool]],
    ) -> None:
        self.pauses = PauseWatch(store, changed)
        self.presence = Presence(store, identity, lease, changed, let_go)

    async def known(self) -> Paused:
        """What must not begin, as of the last look: everything, if the worker is drained.

        Raises:
            StoreUnavailable: the database does not answer the first look.
        """
        paused = await self.pauses.known()
        return replace(paused, everything=True) if self._is_drained else paused

    def cover(self, document: Import) -> bool:
        """Whether the import must not begin an attempt here, as of the last look."""
        return self._is_drained or self.pauses.covers(document)

    async def run(self) -> None:
        """Look every ``LOOK_SECONDS``, until cancelled. During an outage the last look holds."""
        outage = Outage("the look at the orders of operators")
        while True:
            try:
                await self.pauses.look()
                await self.presence.look()
                outage.worked()
            except StoreUnavailable as error:
                outage.failed(str(error))
            except Exception:
                log.exception("could not look at the orders of operators")
            await asyncio.sleep(LOOK_SECONDS)

    @property
    def _is_drained(self) -> bool:
        return self.presence.state is not State.WORKING
