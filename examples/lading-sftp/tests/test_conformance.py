"""The contract, by Lading's own kit."""

from lading_sftp.suite import SftpFetcherSuite


class TestSftpFetcher(SftpFetcherSuite):
    pass
