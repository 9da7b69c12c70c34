"""The errors of document stores."""


class StoreError(Exception):
    """Base of what a document store raises."""


class StoreUnavailable(StoreError):
    """The database cannot be reached or cannot write at present; the caller may try again later."""


class DuplicateId(StoreError):
    """A document with this id exists already."""


class TooManyRecords(StoreError):
    """An owner has as many records of a kind as it may have."""
