"""Reads the token from the value of an ``Authorization`` header."""

import re
from typing import Final

from ...models.grants import Reason, Unauthorized

# The token comes first, quoted or not; further parameters must be well-formed and must not name another token. The
# value is split piece by piece, so that the work is linear. Possessive quantifiers would do the same in one expression,
# but are broken in the first releases of Python 3.11.
_FLAGS: Final = re.IGNORECASE | re.ASCII
_TOKEN: Final = re.compile(
    r"""(?:token|bearer)[ \t]+(?:token=)?("?)(?P<token>[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*)\1""", _FLAGS
)
_SEPARATOR: Final = re.compile(r"[ ]*[,;\t][ \t]*")
_PARAMETER: Final = re.compile(
    r"""(?!token[ \t]*=)[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ \t]*(?:"(?:[^"\\]|\\.)*"|[^\s",;]+)""", _FLAGS
)


def token_from_header(value: str, max_bytes: int = 8192) -> str:
    """Take the token, three base64url segments, out of the value of an ``Authorization`` header. Its content is not
    read.

    Accepted are ``Token token="JWT"`` and ``token=JWT`` with or without further parameters, as in Rails'
    ``ActionController::HttpAuthentication::Token``, and ``Token JWT`` and ``Bearer JWT``. The scheme's name may be in
    any case (RFC 9110 section 11.1). Unlike in Rails, malformed parameters and a second token are refused; so is a
    header that was sent twice and joined.

    Raises:
        Unauthorized: the value is longer than ``max_bytes`` characters, or has another form.
    """
    if len(value) > max_bytes:
        raise Unauthorized(Reason.TOO_LARGE)
    value = value.strip(" \t")
    match = _TOKEN.match(value)
    if match is None or not _are_parameters(value, match.end()):
        raise Unauthorized(Reason.MALFORMED)
    return match["token"]


def _are_parameters(value: str, position: int) -> bool:
    """Whether the rest of the value is well-formed parameters, each after a separator; some may be left out."""
    while position < len(value):
        separator = _SEPARATOR.match(value, position)
        if separator is None:
            return False
        position = separator.end()
        parameter = _PARAMETER.match(value, position)
        position = parameter.end() if parameter else position
    return True
