"""What the author of a plugin imports: the contracts, their values, the optional capabilities and the options.

Errors are in ``lading.plugins.errors``, help for fetchers that open sockets in ``lading.plugins.net``, the test kit in
``lading.plugins.testing``. This package imports neither ``lading.service`` nor ``lading.backends``.

Begin with ``contracts``. Each name is imported when it is first used: a child process that needs one module of this
package loads no other.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .capabilities import (
        LARGEST_THUMBNAIL,
        LONGEST_HEAD,
        Finding,
        ListedObject,
        PostAnswer,
        SupportsEarlyRefusal,
        SupportsExplaining,
        SupportsFiles,
        SupportsFormats,
        SupportsListing,
        SupportsLongUrls,
        SupportsPing,
        SupportsPosting,
        SupportsSignedUrls,
        SupportsThumbnails,
        SupportsUnfinishedSaves,
        UnfinishedSave,
    )
    from .contracts import (
        CONTRACT_VERSION,
        Fetched,
        Fetcher,
        ImageInfo,
        ObjectMetadata,
        Source,
        StorageBackend,
        StoredObject,
        TypeDetector,
    )
    from .contracts.processing import MAX_FACTS_BYTES, MAX_FACTS_DEPTH, Output, Picture, Processed, Processor
    from .disposition import content_disposition
    from .keys import MAX_KEY_LENGTH, is_key
    from .options import CommaSeparated, Names, PathOption, PluginOptions

__all__ = [
    "CONTRACT_VERSION",
    "LARGEST_THUMBNAIL",
    "LONGEST_HEAD",
    "MAX_FACTS_BYTES",
    "MAX_FACTS_DEPTH",
    "MAX_KEY_LENGTH",
    "CommaSeparated",
    "Fetched",
    "Fetcher",
    "Finding",
    "ImageInfo",
    "ListedObject",
    "Names",
    "ObjectMetadata",
    "Output",
    "PathOption",
    "Picture",
    "PluginOptions",
    "PostAnswer",
    "Processed",
    "Processor",
    "Source",
    "StorageBackend",
    "StoredObject",
    "SupportsEarlyRefusal",
    "SupportsExplaining",
    "SupportsFiles",
    "SupportsFormats",
    "SupportsListing",
    "SupportsLongUrls",
    "SupportsPing",
    "SupportsPosting",
    "SupportsSignedUrls",
    "SupportsThumbnails",
    "SupportsUnfinishedSaves",
    "TypeDetector",
    "UnfinishedSave",
    "content_disposition",
    "is_key",
]

_MODULES: Final = {
    "capabilities": (
        "LARGEST_THUMBNAIL",
        "LONGEST_HEAD",
        "Finding",
        "ListedObject",
        "PostAnswer",
        "SupportsEarlyRefusal",
        "SupportsExplaining",
        "SupportsFiles",
        "SupportsFormats",
        "SupportsListing",
        "SupportsLongUrls",
        "SupportsPing",
        "SupportsPosting",
        "SupportsSignedUrls",
        "SupportsThumbnails",
        "SupportsUnfinishedSaves",
        "UnfinishedSave",
    ),
    "contracts": (
        "CONTRACT_VERSION",
        "Fetched",
        "Fetcher",
        "ImageInfo",
        "ObjectMetadata",
        "Source",
        "StorageBackend",
        "StoredObject",
        "TypeDetector",
    ),
    "contracts.processing": (
        "MAX_FACTS_BYTES",
        "MAX_FACTS_DEPTH",
        "Output",
        "Picture",
        "Processed",
        "Processor",
    ),
    "disposition": ("content_disposition",),
    "keys": ("MAX_KEY_LENGTH", "is_key"),
    "options": ("CommaSeparated", "Names", "PathOption", "PluginOptions"),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
