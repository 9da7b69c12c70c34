"""The built-in fetcher of http and https passes the published suite."""

import pytest

from lading.plugins.suites import HttpSuite


@pytest.mark.sampled(4)
class TestHttp(HttpSuite):
    pass
