"""What a storage backend may be able to do beyond its contract: each a small interface of its own.

A backend that can do it inherits the interface beside ``StorageBackend``. It is looked up once, on the class, and shown
by ``lading plugins``; what needs a capability that the configured backend lacks does not exist.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as a listing tells of it.

    Attributes:
        key: its key.
        byte_size: its size in bytes.
        last_modified: when it was saved, by the clock of the storage; aware.
    """

    key: str
    byte_size: int
    last_modified: datetime


class SupportsListing(ABC):
    """A storage backend that can tell which objects it holds."""

    @abstractmethod
    def list_objects(self, prefix: str = "") -> AsyncIterator[ListedObject]:
        """The objects whose key begins with ``prefix``, a plain string, in any order.

        What is there from beginning to end is listed exactly once; what is saved or deleted meanwhile, at most once.
        Unfinished saves, temporary files and other things that are no objects are not listed. Must hold no more than
        a few thousand objects in memory. To be iterated once; it may be left before its end.

        Raises:
            StorageError: while iterated.
        """


class SupportsSignedUrls(ABC):
    """A storage backend whose objects can be read by URL, for a while, without credentials."""

    @abstractmethod
    async def signed_url(
        self, key: str, *, expires: timedelta, content_type: str | None = None, content_disposition: str | None = None
    ) -> str:
        """A URL under which GET answers with the object until it expires. Makes no request to the object itself.

        Args:
            key: of the object; whether there is one need not be checked.
            expires: from now, 1 second to 7 days.
            content_type: ``Content-Type`` of the answer, or None for that of the object.
            content_disposition: ``Content-Disposition`` of the answer, or None for that of the object.

        Raises:
            StorageError: no URL can be signed.
        """


STORAGE_CAPABILITIES: Mapping[str, type] = MappingProxyType(
    {"listing": SupportsListing, "signed urls": SupportsSignedUrls}
)
"""Every capability of storage backends, by the name that ``lading plugins`` prints."""
