"""What a storage key is; ``StorageBackend`` says it in words."""

import re
from typing import Final

MAX_KEY_LENGTH: Final = 255
"""Characters."""
_KEY: Final = re.compile(r"[a-z0-9_-][a-z0-9._-]*(?:/[a-z0-9_-][a-z0-9._-]*)*")


def is_key(text: str) -> bool:
    """Whether it is a storage key."""
    return len(text) <= MAX_KEY_LENGTH and _KEY.fullmatch(text) is not None
