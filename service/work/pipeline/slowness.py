"""Plugins that do not answer before their deadline: what that means for an import, which is at no fault."""

from collections.abc import Iterator
from contextlib import contextmanager

from ....plugins.errors import DeadlineExceeded, DetectorStalled, StorageUnavailable


@contextmanager
def outage_if_slow() -> Iterator[None]:
    """Storage that does not answer in time is unavailable: no fault of the import, which is to wait for it (P6)."""
    try:
        yield
    except DeadlineExceeded as error:
        unavailable = StorageUnavailable(error.internal)
        unavailable.plugin = error.plugin
        raise unavailable from error


@contextmanager
def stalled_if_slow() -> Iterator[None]:
    """A detector that does not answer in time, its wait for its turn included, says nothing of the image."""
    try:
        yield
    except DeadlineExceeded as error:
        stalled = DetectorStalled(error.internal)
        stalled.plugin = error.plugin
        raise stalled from error
