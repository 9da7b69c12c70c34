"""What schemathesis does not know by itself: how the body of a tus request is written."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def offset_stream(_context: Any, value: Any) -> bytes:
    """Bytes as they are."""
    return value if isinstance(value, bytes) else str(value).encode()
