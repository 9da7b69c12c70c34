"""What a run leaves behind goes, however it ends."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest


@pytest.fixture
def ashore() -> Iterator[ExitStack]:
    """Closed after the test, also after one that was interrupted within its event loop."""
    with ExitStack() as stack:
        yield stack
