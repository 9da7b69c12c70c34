"""The conformance kit for plugins: one suite for each contract, and helpers for tests of plugins.

``pip install lading[testing]`` installs what it needs. ``lading plugins new`` writes a plugin that uses it.

It may use every other room of ``lading.plugins`` but ``suites``. Begin with ``suite``, then one of ``fetcher``,
``detector``, ``processor`` and ``storage``.

The names below are imported on first use, since pytest loads this package wherever Lading is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .bodies import Body
    from .common.pinging import Outage
    from .detector.suite import TypeDetectorSuite
    from .detector.support import Cost, Costly, Refused
    from .fetcher.http.suite import HttpFetcherSuite
    from .fetcher.suite import FetcherSuite
    from .fetcher.support import FetcherHarness, FetchLimits, Flaw
    from .images import Sample
    from .judging import assert_well_formed, bounded_memory
    from .leaks import no_leaks
    from .processor.suite import ProcessorSuite
    from .processor.support import Rejected
    from .storage.suite import StorageBackendSuite
    from .storage.support import Trouble

__all__ = [
    "Body",
    "Cost",
    "Costly",
    "FetchLimits",
    "FetcherHarness",
    "FetcherSuite",
    "Flaw",
    "HttpFetcherSuite",
    "Outage",
    "ProcessorSuite",
    "Refused",
    "Rejected",
    "Sample",
    "StorageBackendSuite",
    "Trouble",
    "TypeDetectorSuite",
    "assert_well_formed",
    "bounded_memory",
    "no_leaks",
]

_MODULES: Final = {
    "Body": "bodies",
    "Cost": "detector.support",
    "Costly": "detector.support",
    "FetchLimits": "fetcher.support",
    "FetcherHarness": "fetcher.support",
    "FetcherSuite": "fetcher.suite",
    "Flaw": "fetcher.support",
    "HttpFetcherSuite": "fetcher.http.suite",
    "Outage": "common.pinging",
    "ProcessorSuite": "processor.suite",
    "Refused": "detector.support",
    "Rejected": "processor.support",
    "Sample": "images",
    "StorageBackendSuite": "storage.suite",
    "Trouble": "storage.support",
    "TypeDetectorSuite": "detector.suite",
    "assert_well_formed": "judging",
    "bounded_memory": "judging",
    "no_leaks": "leaks",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
