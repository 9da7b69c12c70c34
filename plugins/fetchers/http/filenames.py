"""The origin's own name for a file: data from a stranger, made harmless to print and to store, never a path."""

import re
import unicodedata
from urllib.parse import unquote, unquote_to_bytes

MAX_BYTES = 255

_PARAMETER = re.compile(r""";[ \t]*([!#$&+.^_`|~0-9A-Za-z-]+\*?)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^; \t"]*)""")
_PLAIN = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,254}")
"""Most names: nothing of them is to be cleaned."""
_EXTENSION = re.compile(r"(?:\.[0-9A-Za-z]{1,16}){1,2}\Z")
"""The end of a name that says what the file is, such as ``.tar.gz``."""
_QUOTED_PAIR = re.compile(r"\\(.)")


def origin_filename(content_disposition: str | None, path: str) -> str | None:
    """The name that ``Content-Disposition`` gives (RFC 6266), or else the last segment of the URL's path.

    Args:
        content_disposition: the field's value, or None.
        path: percent-encoded path of the URL that sent the body.

    Returns:
        at most 255 bytes of UTF-8 without separators and control characters, or None where nothing is left.
    """
    named = _from_content_disposition(content_disposition) if content_disposition else None
    return (named and clean_filename(named)) or clean_filename(unquote(path.rpartition("/")[2]))


def clean_filename(name: str) -> str | None:
    """The last segment of ``name`` without control, formatting and unassigned characters, in 255 bytes at most.

    A longer name loses the end of its stem, and keeps its extension.
    """
    if _PLAIN.fullmatch(name):
        return name
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(char for char in last if not unicodedata.category(char).startswith("C"))
    cut = _shortened(printable.strip())
    return None if cut in ("", ".", "..") else cut


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_BYTES:
        return name
    extension = _EXTENSION.search(name)
    kept = extension[0] if extension else ""
    stem = name.removesuffix(kept).encode()[: MAX_BYTES - len(kept.encode())].decode(errors="ignore").strip()
    return (stem + kept).strip()


def _from_content_disposition(value: str) -> str | None:
    """``filename*`` before ``filename`` (RFC 6266 section 4.3); the first of each counts."""
    parameters: dict[str, str] = {}
    for name, text in _PARAMETER.findall(value):
        parameters.setdefault(name.lower(), text)
    extended = _decode_extended(parameters.get("filename*", ""))
    if extended:
        return extended
    plain = parameters.get("filename", "")
    if plain.startswith('"'):
        plain = _QUOTED_PAIR.sub(r"\1", plain[1:-1])
    return plain or None


def _decode_extended(text: str) -> str | None:
    """``UTF-8'en'a%20b.jpg`` (RFC 8187 section 3.2); None where it is not of that form or of another charset."""
    charset, _, rest = text.partition("'")
    _, quote, encoded = rest.partition("'")
    if not quote or charset.lower() not in ("utf-8", "iso-8859-1"):
        return None
    try:
        return unquote_to_bytes(encoded).decode(charset)
    except UnicodeDecodeError:
        return None
