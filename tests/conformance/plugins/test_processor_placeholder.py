"""The built-in processor passes the published suite."""

from lading.plugins.suites import PlaceholderSuite


class TestPlaceholder(PlaceholderSuite):
    pass
