"""URLs that run something, however they are disguised."""

from typing import Final

SCRIPTS: Final = ("javascript:", "vbscript:", "livescript:")
"""Without white space, in lower case."""

_DOCUMENTS: Final = ("data:text/", "data:application/", "data:multipart/", "data:message/", "data:image/svg")


def compact(text: str) -> str:
    """The text without white space and in lower case.

    Browsers take tabs and line ends out of a URL before they look at it (URL Standard, "basic URL parser").
    """
    return "".join(text.split()).lower()


def holds_script_url(text: str) -> bool:
    """Whether a URL that runs, or a document that could, is somewhere in the text."""
    if ":" not in text:
        return False
    plain = compact(text)
    return any(scheme in plain for scheme in (*SCRIPTS, *_DOCUMENTS))
