"""``Content-Disposition`` (RFC 6266) for a file name that a stranger chose."""

import unicodedata
from typing import Final
from urllib.parse import quote

_MAX_LENGTH: Final = 255
"""Characters of a file name that are kept."""

_ATTR_CHARS: Final = "!#$&+-.^_`|~"  # beside letters and digits: RFC 8187 section 3.2.1
_SPECIAL: Final = frozenset('/\\"%')
"""Separators of paths, and what would have to be escaped or might be taken for an escape (RFC 6266 appendix D)."""


def content_disposition(filename: str | None, *, inline: bool) -> str:
    """The value of the header: printable ASCII, whatever the name holds.

    Args:
        filename: as a client or an origin gave it, or None.
        inline: whether a browser may show the bytes rather than save them.
    """
    kind = "inline" if inline else "attachment"
    name = "".join("_" if _is_unwanted(character) else character for character in (filename or "")[:_MAX_LENGTH])
    if not name.strip("._ "):
        return kind
    ascii_name = "".join(character if character.isascii() else "_" for character in name)
    value = f'{kind}; filename="{ascii_name}"'
    return value if ascii_name == name else f"{value}; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def _is_unwanted(character: str) -> bool:
    """Separators, and what is invisible: controls, changes of direction, surrogates, private and unassigned ones."""
    return character in _SPECIAL or unicodedata.category(character)[0] == "C" or character in "\u2028\u2029"
