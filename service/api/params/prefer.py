"""The preference ``wait`` of the ``Prefer`` header field (RFC 7240)."""

import re
from collections.abc import Sequence
from typing import Final

# A preference is a token with a value, and parameters; a quoted string may contain the commas that separate them.
_PREFERENCE: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",])+')
_WAIT: Final = re.compile(r'wait[ \t]*=[ \t]*"?([0-9]{1,9})"?[ \t]*(?:;.*)?', re.IGNORECASE | re.DOTALL)


def preferred_wait(values: Sequence[str]) -> int | None:
    """Seconds that a client is ready to wait, as sent; None without a valid preference.

    The first of several counts; malformed ones are ignored (RFC 7240 section 2).
    """
    for preference in _PREFERENCE.findall(",".join(values)[:4096]):
        match = _WAIT.fullmatch(preference.strip(" \t"))
        if match:
            return int(match[1])
    return None
