"""S3 keeps the contract, on a server on loopback. ``tests/e2e/test_clouds.py`` has it behind the guard."""

from backends.s3_suite import S3Suite


class TestS3Storage(S3Suite):
    pass
