"""What style sheets and presentation attributes may say (CSS Syntax 3, CSS Values 4).

They are not parsed. A style is searched for what can fetch or run something, in the two readings that there are of it:
with its comments, and, as old browsers had it, without. Escapes are resolved in both: they may stand for any letter of
a name.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from lading_svg.embedded import is_data_url
from lading_svg.scripts import SCRIPTS, compact

_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})[ \t\r\n\f]?|(.))", re.DOTALL)
_ACTIVE: Final = ("expression(", "-moz-binding", "behavior:", "progid:", *SCRIPTS)
"""Without white space, in lower case."""
_LOADERS: Final = ("@import", "@document", "image-set(", "image-rect(", "cross-fade(", "paint(")
_OTHER_LOADERS: Final = re.compile(r"(?<![a-z0-9_])(?:image|src)\(")
"""Both load what they name by a plain string; what they do with ``url()`` is seen by that."""
_URL: Final = re.compile(r"url(?:-prefix)?\(\s*([\"']?)\s*([^)\"']*)", re.IGNORECASE)
_NAME_OR_ADDRESS: Final = re.compile(r"[A-Za-z0-9_:/.-]")
_NO_SYNTAX: Final = "\ufffd"
_LAST_CODE_POINT: Final = 0x10FFFF


def may_load(value: str) -> bool:
    """Whether an attribute may hold any of this; quick, since most do not."""
    return "(" in value or "\\" in value


def readings(style: str) -> tuple[str, ...]:
    """What a style may be read as; the functions below want all of it."""
    texts = [style]
    if "/*" in style:
        texts.append(_COMMENT.sub("", style))
    return tuple(_ESCAPE.sub(_resolved, text) if "\\" in text else text for text in texts)


def is_active(texts: Iterable[str]) -> bool:
    """Whether some browser, of today or of the past, would run something of it."""
    plain = (compact(text).replace("scroll-behavior:", "") for text in texts)
    return any(word in text for text in plain for word in _ACTIVE)


def imports(texts: Iterable[str]) -> bool:
    """Whether it takes in another style sheet, or an image by a function other than ``url()``."""
    lower = [text.lower() for text in texts]
    return any(any(word in text for word in _LOADERS) or bool(_OTHER_LOADERS.search(text)) for text in lower)


def urls(texts: Iterable[str]) -> Iterator[str]:
    """What its ``url()`` lead to."""
    for text in texts:
        for match in _URL.finditer(text):
            # In a data: URL the quotes and brackets that end it are no part of base64; elsewhere the beginning decides.
            yield match[2].rstrip() if is_data_url(match[2]) else match[2]


def _resolved(escape: re.Match[str]) -> str:
    if escape[1] is None:
        if escape[2] in "\r\n\f":
            return ""
        character = escape[2]
    else:
        code = int(escape[1], 16)
        character = chr(code) if code <= _LAST_CODE_POINT else _NO_SYNTAX
    # What is escaped is part of a name or of a string: an escaped quote or bracket ends nothing.
    return character if _NAME_OR_ADDRESS.fullmatch(character) else _NO_SYNTAX
