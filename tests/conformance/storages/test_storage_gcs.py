"""Google Cloud Storage keeps the contract, on a server on loopback. It is behind the guard in ``tests/e2e``."""

from lading.backends.gcs.suite import GcsSuite


class TestGcsStorage(GcsSuite):
    pass
