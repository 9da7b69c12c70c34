"""The kit's cases for ``SftpFetcher``, against a real SFTP server."""

from lading_sftp.harness import SftpHarness
from plugins.testing.fetcher import FetcherSuite


class SftpFetcherSuite(SftpHarness, FetcherSuite):
    """What every fetcher has to stand, over SFTP."""
