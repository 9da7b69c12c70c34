"""The errors of document stores."""

from ..models import Import


class StoreError(Exception):
    """Base of what a document store raises."""


class StoreUnavailable(StoreError):
    """The database cannot be reached or cannot write at present; the caller may try again later."""


class StoreRefused(StoreUnavailable):
    """The database cannot be used as it is configured, and no later try changes that; only ``DocumentStore.open``
    raises it.

    Args:
        problem: the reason, for the operator. It repeats no secret.
        section, key: the option of ``service.conf`` at fault.
    """

    def __init__(self, problem: str, section: str, key: str) -> None:
        super().__init__(f"[{section}] {key}: {problem}")
        self.problem = problem
        self.section = section
        self.key = key


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
