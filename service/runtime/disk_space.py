"""Disk space: what the spools of a configuration may take up, and what is free."""

import asyncio
from typing import Final

import structlog

from ..config import Components, Settings
from ..storages.spool import Spools

REMEDY: Final = "free space, set [worker] spool_directory to another disk, or lower concurrency and max_bytes"
MIB: Final = 1024**2

log = structlog.get_logger(__name__)


def needed_bytes(settings: Settings, components: Components, *, receives: bool) -> int:
    """The size of all spools on this machine when everything that is configured is under way, each image as long as
    allowed.

    Args:
        settings: the configuration.
        components: the configured fetchers; those without the option ``max_bytes`` count as none.
        receives: whether the processes receive uploads too.
    """
    worker, uploads = settings.worker, settings.uploads
    limits = [getattr(component.options, "max_bytes", 0) for component in components.fetchers]
    longest = max((limit for limit in limits if isinstance(limit, int)), default=0)
    fetched = worker.concurrency * longest if worker.enabled or not receives else 0
    received = uploads.concurrency * uploads.max_bytes if receives else 0
    return (fetched + received) * (settings.service.processes if receives else 1)


async def shortage(settings: Settings, components: Components, spools: Spools, *, receives: bool) -> str | None:
    """What is wrong with the space for spools; None if it suffices. For the arguments see ``needed_bytes``."""
    needed = needed_bytes(settings, components, receives=receives)
    try:
        free = await asyncio.to_thread(spools.free_bytes)
    except OSError as error:
        return f"the folder for spools does not work: {error}"
    if free < needed:
        return f"the spools may need {needed // MIB} MiB of disk, and {free // MIB} MiB are free"
    return None


async def say_if_short(settings: Settings, components: Components, spools: Spools, *, receives: bool) -> None:
    """Log where the spools have less disk than the configuration may use."""
    reason = await shortage(settings, components, spools, receives=receives)
    if reason is not None:
        log.warning("the disk space is low", reason=reason, remedy=REMEDY)
