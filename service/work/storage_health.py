"""Whether storage can be saved to, asked only after it failed, so that its outage does not churn the queue."""

from ...plugins.errors import PluginError
from ..observe.outages import Outage
from .pipeline.importer import Importer


class StorageSuspicion:
    """Storage that failed is asked before anything more is claimed.

    Attributes:
        is_suspect: whether a save failed since storage was last seen to work.
    """

    def __init__(self, importer: Importer) -> None:
        self.is_suspect = False
        self._importer = importer
        self._outage = Outage("the storage of images")

    async def works(self) -> bool:
        """Whether imports may be claimed; asks the storage where it is suspect."""
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
