"""Google Cloud Storage keeps the contract, on a server on loopback. It is behind the guard in ``tests/e2e``."""

import pytest

from lading.backends.gcs.suite import GcsSuite


@pytest.mark.sampled(3)
class TestGcsStorage(GcsSuite):
    pass
