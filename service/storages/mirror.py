"""The second copy of each image: its place, its making, and its repair after an outage.

- An import saves its image in the backend, then in the mirror. Then its document is done and states that both have it.
- If the mirror fails, the import is done nevertheless: its document states that the second copy is pending. Until the
  mirror recovers, no import waits for it, except one that probes it from time to time.
- Every service looks for pending copies and makes them (``lading.service.storages.backfill``). Only the documents
  record pending copies, so these survive everything that the documents survive, however long the mirror is away.
- A deletion is complete when both copies are gone.
"""

import time

import structlog

from ...backends.guard.capabilities import files_of
from ...backends.guard.storage import GuardedStorage
from ...plugins.capabilities import SupportsFiles
from ...plugins.contracts import ObjectMetadata
from ...plugins.errors import ObjectExists, PluginError
from ..observe.outages import Outage
from .routes import Storages
from .saving import Saving
from .spool import Spool

PAUSE = 30.0
"""Seconds for which imports leave a failed mirror alone."""

log = structlog.get_logger(__name__)


class Mirror:
    """Keeps a second copy of the images of imports.

    Args:
        storage: the mirror, behind its guard.
        files: saves files there, if it takes files.
    """

    def __init__(self, storage: GuardedStorage, files: SupportsFiles | None = None) -> None:
        self._storage = storage
        self._saving = Saving(storage, storage.name, files)
        self._outage = Outage(f"the mirror {storage.name}")
        self._resume_at = float("-inf")
        self._failed = False

    @property
    def name(self) -> str:
        """Name of the mirror."""
        return self._storage.name

    async def save(self, key: str, spool: Spool, metadata: ObjectMetadata) -> bool:
        """Save a second copy, if that is possible now.

        Returns:
            whether the mirror has it; if not, ``Mirroring`` makes it later.
        """
        if time.monotonic() < self._resume_at:
            return False
        try:
            if self._failed:
                self._resume_at = time.monotonic() + PAUSE  # it may hang: one import that waits for it is enough
                await self._storage.ping()  # it may have to prepare itself again
            await self._saving.save(key, spool, metadata)
            is_saved = True
        except ObjectExists:
            is_saved = False  # of an earlier attempt: compare it first
        except OSError as error:
            log.warning("could not read an image for its second copy, which follows later", key=key, reason=str(error))
            return False  # neither the mirror is at fault nor the import, whose image is stored
        except PluginError as error:
            self._failed = True
            self._resume_at = time.monotonic() + PAUSE
            self._outage.failed(str(error))
            return False
        self._failed = False
        self._resume_at = float("-inf")
        self._outage.worked()
        return is_saved


def mirror_of(storages: Storages) -> Mirror | None:
    """The mirror of imports, if there is one."""
    if storages.mirror is None:
        return None
    storage = storages.by_name[storages.mirror]
    return Mirror(storage, files_of(storage))
