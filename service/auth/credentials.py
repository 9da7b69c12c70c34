"""From the value of an ``Authorization`` header to the token in it."""

import re

from service.auth.grants import Reason, Unauthorized

# The token comes first, quoted or not; further parameters must be well-formed and must not name another token.
_CREDENTIALS = re.compile(
    r"""
    (?:token|bearer) [ \t]++
    (?:token=)?+ (?P<quote>"?) (?P<token>[A-Za-z0-9_-]+ \. [A-Za-z0-9_-]* \. [A-Za-z0-9_-]*) (?P=quote)
    (?: [ ]*+ [,;\t] [ \t]*+
        (?: (?!token[ \t]*+=) [!\#$%&'*+.^_`|~0-9A-Za-z-]++ [ \t]*+ = [ \t]*+ (?: "(?:[^"\\]|\\.)*+" | [^\s",;]++ ) )?+
    )*+
    [ \t]*+
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def token_from_header(value: str, max_bytes: int = 8192) -> str:
    """Take the token, three base64url segments not looked at further, out of the value of an ``Authorization`` header.

    Read are ``Token token="JWT"`` and ``token=JWT`` with or without further parameters, as by Rails'
    ``ActionController::HttpAuthentication::Token``, and ``Token JWT`` and ``Bearer JWT``. The scheme's name may be in
    any case (RFC 9110 section 11.1). Parameters that are malformed or name a second token are refused, unlike by Rails;
    so is a header that was sent twice and joined.

    Raises:
        Unauthorized: the value is longer than ``max_bytes`` characters, or not of these forms.
    """
    if len(value) > max_bytes:
        raise Unauthorized(Reason.TOO_LARGE)
    match = _CREDENTIALS.fullmatch(value.strip(" \t"))
    if match is None:
        raise Unauthorized(Reason.MALFORMED)
    return match["token"]
