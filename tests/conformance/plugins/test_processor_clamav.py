"""The built-in processor passes the published suite."""

from lading.plugins.suites import ClamavSuite


class TestClamav(ClamavSuite):
    pass
