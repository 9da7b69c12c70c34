"""Comments, processing instructions and CDATA sections: what is text to XML and might be something else to others.

An HTML parser ends comments and instructions earlier than XML does and knows CDATA sections in few places, a PHP
interpreter runs what is in an instruction of its own, and a web server may look into comments for its commands.
"""

import re
from typing import Final

from lading.plugins.errors import ImageCorrupt
from lading_svg.errors import ActiveContent, ExternalReference

_ACTIVE_COMMENT: Final = re.compile(r"\A(?:-?>|\[if|#)|<[?%]", re.IGNORECASE)
_ACTIVE_CDATA: Final = re.compile(r"<(?:[A-Za-z/!?%]|\Z)")
_HARMLESS_INSTRUCTIONS: Final = frozenset({"xpacket"})
"""Adobe's XMP packets stand between two of them."""


def check_comment(text: str) -> None:
    """Refuse a comment that is more than that to others.

    Raises:
        ActiveContent: it is.
        ImageCorrupt: it is none.
    """
    if "--" in text or text.endswith("-"):
        raise ImageCorrupt("two hyphens in a comment")
    if _ACTIVE_COMMENT.search(text):
        raise ActiveContent(what="a comment that is not one to every reader")


def check_instruction(text: str) -> None:
    """Refuse every processing instruction but those that are known to be harmless.

    Args:
        text: what is between ``<?`` and ``?>``.

    Raises:
        ExternalReference: it names a style sheet.
        ActiveContent: it is unknown.
        ImageCorrupt: it is none.
    """
    target, *_ = text.split(maxsplit=1) if text[:1].strip() else [""]
    if not target or target.lower() == "xml":
        raise ImageCorrupt("not a processing instruction")
    if target.lower() == "xml-stylesheet":
        raise ExternalReference(what="a style sheet")
    if target not in _HARMLESS_INSTRUCTIONS or "<" in text or ">" in text:
        raise ActiveContent(what="a processing instruction")


def check_cdata(text: str) -> None:
    """Refuse a CDATA section, or a piece of one, that looks like markup.

    Raises:
        ActiveContent: it does.
    """
    if _ACTIVE_CDATA.search(text):
        raise ActiveContent(what="markup in a CDATA section")
