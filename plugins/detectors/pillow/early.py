"""First bytes that are positively something else than an image, although too few have come to tell every format.

A stream that brings little at a time is told by these; of any other, so much has come that ``identify`` decides.
"""

import re
from typing import Final

_TEXT_BYTES: Final = 512
"""So many bytes of text begin no image that is not told by its first letters."""
_BINARY: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
"""The binary data bytes of the WHATWG's MIME Sniffing, section 3; a resource without one is text (section 7.2)."""
_PAGE: Final = re.compile(
    rb"\s*<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[ >]", re.IGNORECASE
)
"""HTML, by section 7.1 of MIME Sniffing; a comment and XML may still become SVG."""
_PART: Final = re.compile(
    rb"\s*--[0-9A-Za-z'()+_,./:=? -]{1,72}\r?\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*\r?\n)+\r?\n"
)
"""The boundary of a multipart body (RFC 2046 section 5.1.1) and the fields of a part: cameras send their pictures so,
without end (``multipart/x-mixed-replace``)."""
_SVG: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:svg|\?xml|!--|!doctype svg)", re.IGNORECASE)


def is_other(head: bytes) -> bool:
    """Whether no image begins with ``head``, which ``identify`` does not know."""
    if _PAGE.match(head) or _PART.match(head):
        return True
    return len(head) >= _TEXT_BYTES and not _BINARY.search(head) and not _SVG.match(head)
