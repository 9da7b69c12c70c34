"""The conformance kit for plugins: one suite for each contract, and what tests of plugins need besides.

Installed with ``pip install lading[testing]``. See ``plugins/README.md`` for how to use it.
"""

from plugins.testing.storage import StorageBackendSuite

__all__ = ["StorageBackendSuite"]
