"""What schemathesis does not know by itself: how bodies are written that are text or bytes as they are."""

from typing import Any

import schemathesis


@schemathesis.serializer(
    *("application/offset+octet-stream", "application/x-ndjson", "application/ndjson", "application/jsonl", "text/csv")
)
def offset_stream(_context: Any, value: Any) -> bytes:
    """Bytes as they are."""
    return value if isinstance(value, bytes) else str(value).encode()
