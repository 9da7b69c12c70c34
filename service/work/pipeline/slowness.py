"""Plugins that miss their deadline: the error for an import that did nothing wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

from ....plugins.errors import DeadlineExceeded, DetectorStalled, ProcessorStalled, StorageUnavailable


@contextmanager
def outage_if_slow() -> Iterator[None]:
    """A storage that misses its deadline counts as unavailable, so the import waits for it (P6)."""
    try:
        yield
    except DeadlineExceeded as error:
        unavailable = StorageUnavailable(error.internal)
        unavailable.plugin = error.plugin
        raise unavailable from error


@contextmanager
def stalled_if_slow(failure: type[DetectorStalled | ProcessorStalled] = DetectorStalled) -> Iterator[None]:
    """A plugin that misses its deadline, its wait for a turn included, says nothing about the image."""
    try:
        yield
    except DeadlineExceeded as error:
        stalled = failure(error.internal)
        stalled.plugin = error.plugin
        raise stalled from error
