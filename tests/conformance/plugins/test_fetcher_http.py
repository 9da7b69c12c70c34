"""The built-in fetcher of http and https passes the published suite."""

from lading.plugins.suites import HttpSuite


class TestHttp(HttpSuite):
    pass
