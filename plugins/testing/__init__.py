"""The conformance kit for plugins: one suite for each contract, and what tests of plugins need besides.

Installed with ``pip install lading[testing]``. See ``plugins/README.md`` for how to use it.
"""

from plugins.testing.detector import TypeDetectorSuite
from plugins.testing.detector_support import Refused
from plugins.testing.images import Sample
from plugins.testing.storage import StorageBackendSuite

__all__ = ["Refused", "Sample", "StorageBackendSuite", "TypeDetectorSuite"]
