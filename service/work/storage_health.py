"""Whether the storage accepts saves. Lading asks only after a failure, so that an outage does not churn the queue."""

from ...plugins.errors import PluginError
from ..observe.outages import Outage
from .pipeline.importer import Importer


class StorageSuspicion:
    """Asks a storage that has failed before the worker claims more imports.

    Attributes:
        is_suspect: whether a save has failed since the storage last worked.
    """

    def __init__(self, importer: Importer) -> None:
        self.is_suspect = False
        self._importer = importer
        self._outage = Outage("the storage of images")

    async def works(self) -> bool:
        """Whether the worker may claim imports; asks the storage if it is suspect."""
        if not self.is_suspect:
            return True
        try:
            await self._importer.ping_storage()
        except PluginError as error:
            self._outage.failed(str(error))
            return False
        self._outage.worked()
        self.is_suspect = False
        return True
