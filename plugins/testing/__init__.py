"""The conformance kit for plugins: one suite for each contract, and what tests of plugins need besides.

Installed with ``pip install lading[testing]``. See ``docs/tutorials/first-plugin.md`` for how to use it.

The names below are imported when they are asked for: pytest loads this package wherever Lading is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
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

_MODULES: Final = {
    "FetchLimits": "fetcher_support",
    "FetcherSuite": "fetcher",
    "Flaw": "fetcher_support",
    "HttpFetcherSuite": "fetcher_http",
    "Refused": "detector_support",
    "Sample": "images",
    "StorageBackendSuite": "storage",
    "TypeDetectorSuite": "detector",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
