"""The errors of document stores."""

from ..models import Import


class StoreError(Exception):
    """Base of what a document store raises."""


class StoreUnavailable(StoreError):
    """The database cannot be reached or cannot write at present; the caller may try again later."""


class DuplicateId(StoreError):
    """A document with this id exists already."""


class TooManyRecords(StoreError):
    """An owner has as many records of a kind as it may have."""


class StoredAlready(Exception):
    """Another import has stored the bytes of an image.

    Attributes:
        found: that import.
    """

    def __init__(self, found: Import) -> None:
        super().__init__(f"import {found.id} has stored the same bytes")
        self.found = found
