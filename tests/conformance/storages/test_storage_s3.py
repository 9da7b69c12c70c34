"""S3 keeps the contract, on a server on loopback. ``tests/e2e/storages/test_clouds.py`` has it behind the guard."""

import pytest

from lading.backends.s3.suite import S3Suite


@pytest.mark.sampled(6)
class TestS3Storage(S3Suite):
    pass
