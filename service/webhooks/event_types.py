"""The types of events."""

from enum import StrEnum


class EventType(StrEnum):
    """What happened."""

    IMPORT_DONE = "import.done"
    IMPORT_FAILED = "import.failed"
    IMPORT_CANCELLED = "import.cancelled"
    IMPORT_DELETED = "import.deleted"
    IMAGE_DELETED = "image.deleted"
    PING = "ping"
    """Nothing: an endpoint is being tried."""
