"""The built-in processor passes the published suite."""

import pytest

from lading.plugins.suites import PlaceholderSuite


@pytest.mark.sampled(4)
class TestPlaceholder(PlaceholderSuite):
    pass
