"""The built-in fetcher of data: urls passes the published suite."""

from lading.plugins.suites import DataSuite


class TestData(DataSuite):
    pass
