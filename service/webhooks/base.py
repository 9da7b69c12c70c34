"""Events of imports, as the writers of documents see them."""

from ..models import Import


class Facts:
    """Announces nothing. ``lading.service.webhooks.outbox`` does."""

    async def stamp(self, before: Import, after: Import) -> Import:
        """The document to be written for a transition: with the fact that the transition makes true among its new
        events, if anybody is to be told of it.

        Args:
            before: as it was read.
            after: as the transition has it, not written yet.

        Raises:
            StoreUnavailable: it cannot be told who is to be told.
        """
        del before
        return after

    def written(self, document: Import) -> None:
        """What ``stamp`` gave is durable now."""
