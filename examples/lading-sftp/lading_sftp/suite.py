"""The kit's cases for ``SftpFetcher``, against a real SFTP server."""

from lading.plugins.testing import FetcherSuite
from lading_sftp.harness import SftpHarness


class SftpFetcherSuite(SftpHarness, FetcherSuite):
    """What every fetcher has to stand, over SFTP."""
