"""Takes over a changed configuration while the process runs.

Each part that can do so is a ``Reloadable``; ``lading.service.runtime.wiring`` registers them. Every part prepares
itself before any takes over, so that a faulty configuration changes nothing.
"""

import asyncio
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from ....plugins.errors import PluginError
from ...config import Components, Settings, SettingsError
from .differences import Option, Values, changed, values_of
from .handlers import Wishes

log = structlog.get_logger(__name__)

Configuration = tuple[Settings, Components]


class Reloadable(Protocol):
    """A part that can take over changed options."""

    def takes(self, options: Collection[Option], new: Configuration) -> Collection[Option]:
        """Those of the changed options that the part can take over without a restart."""

    async def prepare(
        self, options: Collection[Option], new: Configuration, stack: AsyncExitStack
    ) -> Callable[[], None]:
        """Make everything ready that may fail.

        Args:
            options: those that the part takes.
            new: the whole new configuration.
            stack: undoes the preparation if another part fails.

        Returns:
            the function that takes over; it does not fail.

        Raises:
            PluginError: the part cannot use the options.
        """


@dataclass(frozen=True, slots=True)
class Reloadables:
    """The parts of a process that can take over options."""

    parts: list[Reloadable] = field(default_factory=list)

    def add(self, part: Reloadable) -> None:
        """Register a part."""
        self.parts.append(part)


class Reloading:
    """The reloads of one process.

    Args:
        read: reads the configuration. Blocks, and raises ``SettingsError``.
        running: the configuration that the process began with.
        is_telling: whether to log what has changed; faults are always logged.
    """

    def __init__(self, read: Callable[[], Configuration], running: Configuration, *, is_telling: bool = True) -> None:
        self._read = read
        self._running: Values = values_of(*running)
        self._is_telling = is_telling

    async def run(
        self, wishes: Wishes, parts: Sequence[Reloadable], reloaded: Callable[[], None] = lambda: None
    ) -> None:
        """Reload whenever that is wished, until the task is cancelled.

        Args:
            wishes: their ``reload``.
            parts: they take over what they can.
            reloaded: called after each reload that did not fail.
        """
        while True:
            await wishes.reload.wait()
            wishes.reload.clear()
            if await self.once(parts):
                reloaded()

    async def once(self, parts: Sequence[Reloadable]) -> bool:
        """Reload; False if the configuration is faulty, and everything stays as it was."""
        try:
            new = await asyncio.to_thread(self._read)
            return await self._take(new, parts)
        except SettingsError as error:
            faults = [str(fault) for fault in error.faults]
        except PluginError as error:
            faults = [str(error)]
        except Exception:  # a defect ends neither the process nor its later reloads
            log.exception("a reload failed unexpectedly; the running configuration stays", pid=os.getpid())
            return False
        log.error("the configuration is not reloaded; the running one stays", faults=faults, pid=os.getpid())
        return False

    async def _take(self, new: Configuration, parts: Sequence[Reloadable]) -> bool:
        values = values_of(*new)
        options = changed(self._running, values)
        taken: list[Option] = []
        take_over: list[Callable[[], None]] = []
        async with AsyncExitStack() as stack:
            for part in parts:
                if own := part.takes(options, new):
                    take_over.append(await part.prepare(own, new, stack))
                    taken += own
            stack.pop_all()
        self._tell(taken, [option for option in options if option not in taken])
        for function in take_over:
            function()
        kept = {option: value for option, value in self._running.items() if option not in taken}
        self._running = kept | {option: values[option] for option in taken if option in values}
        return True

    def _tell(self, taken: Sequence[Option], left: Sequence[Option]) -> None:
        if not self._is_telling:
            return
        reloaded = [str(option) for option in sorted(set(taken))]
        log.info("the configuration is reloaded", reloaded=reloaded, pid=os.getpid())
        if left:
            names = [str(option) for option in left]
            log.warning("options have changed that need a restart", options=names, pid=os.getpid())
