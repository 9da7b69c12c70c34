"""The built-in fetcher of data: urls passes the published suite."""

import pytest

from lading.plugins.suites import DataSuite


@pytest.mark.sampled(4)
class TestData(DataSuite):
    pass
