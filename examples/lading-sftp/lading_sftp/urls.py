"""One strict reading of ``sftp://[user@]host[:port]/path``.

The path is absolute. A password has no place in a URL, which ends up in databases and logs.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from lading.plugins.errors import UrlInvalid, UrlSchemeMissing, UrlSchemeNotAllowed
from lading_sftp.options import Server, parse_server

MAX_CHARACTERS = 8192
MAX_FILENAME_BYTES = 255

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
_FORBIDDEN_IN_PATH = re.compile(rb"[\x00-\x1f\x7f\\]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class SftpUrl:
    """A URL taken apart.

    Attributes:
        server: where it leads.
        user: the user name in it, or None.
        path: decoded path, which begins with a slash and ends with a name; no part of it is ``.`` or ``..``.
    """

    server: Server
    user: str | None = field(repr=False)
    path: bytes = field(repr=False)

    @property
    def filename(self) -> str | None:
        """The last part of the path without control, formatting and unassigned characters; None if no name is left."""
        name = self.path.rpartition(b"/")[2].decode(errors="replace")
        printable = "".join(char for char in name if not unicodedata.category(char).startswith("C")).strip()
        cut = printable.encode()[:MAX_FILENAME_BYTES].decode(errors="ignore").strip()
        return None if cut in {"", ".", ".."} else cut


def parse_sftp_url(url: str) -> SftpUrl:
    """Read the URL.

    Raises:
        UrlInvalid: it is not of the form above, or has a password, a query or a fragment.
        UrlSchemeMissing, UrlSchemeNotAllowed: it is no sftp URL.
    """
    if len(url) > MAX_CHARACTERS:
        raise UrlInvalid(reason=f"it is longer than {MAX_CHARACTERS} characters")
    if _FORBIDDEN.search(url):
        raise UrlInvalid(reason="it holds a space, a backslash or a control character")
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise UrlSchemeMissing
    if scheme[1].lower() != "sftp":
        raise UrlSchemeNotAllowed(scheme=scheme[1].lower()[:32])
    rest = url[scheme.end() :]
    if not rest.startswith("//"):
        raise UrlInvalid(reason="it does not read sftp://host/path")
    if "?" in rest or "#" in rest:
        raise UrlInvalid(reason="it has a query or a fragment; in a path, ? is written %3F and # is written %23")
    if _BAD_ESCAPE.search(rest):
        raise UrlInvalid(reason="it holds an invalid percent escape")
    authority, _, path = rest[2:].partition("/")
    userinfo, at, host = authority.rpartition("@")
    return SftpUrl(_server(host), _user(userinfo) if at else None, _path(path))


def _server(text: str) -> Server:
    try:
        return parse_server(text)
    except ValueError as error:
        raise UrlInvalid(reason="it has no valid host and port") from error


def _user(userinfo: str) -> str:
    if ":" in userinfo:
        raise UrlInvalid(reason="it holds a password, which has no place in a url")
    try:
        user = unquote_to_bytes(userinfo).decode()
    except UnicodeDecodeError as error:
        raise UrlInvalid(reason="its user name is not UTF-8") from error
    if not user or not user.isprintable():
        raise UrlInvalid(reason="its user name is empty or cannot be printed")
    return user


def _path(text: str) -> bytes:
    path = unquote_to_bytes(text)
    if _FORBIDDEN_IN_PATH.search(path):
        raise UrlInvalid(reason="its path holds a backslash or a control character")
    *folders, name = path.split(b"/")
    if not name:
        raise UrlInvalid(reason="its path names no file")
    if {b".", b".."} & {*folders, name}:
        raise UrlInvalid(reason="its path has a part that is . or ..")
    return b"/" + path
