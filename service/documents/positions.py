"""The text form of a place in the order of an organisation's changes, which clients keep as ``Last-Event-ID``.

Stores that number the changes share this form. Earlier versions kept a place in the order of ``updated_at``; such a
position still names a moment.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

OVERLAP: Final = timedelta(minutes=10)
"""How long before a moment a reading by ``updated_at`` begins: nodes' clocks differ, and a write may be decided long
before it is committed."""
DIGITS: Final = 18
_NUMBERED: Final = re.compile(f"s([0-9]{{{DIGITS}}})")
_MOMENT: Final = re.compile(r"([0-9]{1,14})-[0-9A-Za-z-]{1,100}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def numbered(sequence: int) -> str:
    """The position after the change with this number; texts have the order of their numbers."""
    return f"s{sequence:0{DIGITS}}"


def number_of(position: str) -> int | None:
    """The inverse of ``numbered``; None where the text is no such position."""
    match = _NUMBERED.fullmatch(position)
    return None if match is None else int(match[1])


def moment_of(position: str) -> datetime | None:
    """The ``updated_at`` that a position of an earlier version tells (``<milliseconds>-<id>``); None where the text is
    no such position.
    """
    match = _MOMENT.fullmatch(position)
    return None if match is None else _EPOCH + timedelta(milliseconds=int(match[1]))
