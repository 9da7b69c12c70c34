"""The conformance kit for plugins: one suite for each contract, and what tests of plugins need besides.

Installed with ``pip install lading[testing]``. See ``plugins/README.md`` for how to use it.
"""

from plugins.testing.detector import TypeDetectorSuite
from plugins.testing.detector_support import Refused
from plugins.testing.fetcher import FetcherSuite
from plugins.testing.fetcher_http import HttpFetcherSuite
from plugins.testing.fetcher_support import FetchLimits, Flaw
from plugins.testing.images import Sample
from plugins.testing.storage import StorageBackendSuite

__all__ = [
    "FetchLimits",
    "FetcherSuite",
    "Flaw",
    "HttpFetcherSuite",
    "Refused",
    "Sample",
    "StorageBackendSuite",
    "TypeDetectorSuite",
]
