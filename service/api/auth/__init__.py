"""Tokens: from an ``Authorization`` header to the grant it stands for, and how the command line makes tokens.

A token is a JWT (RFC 7519) signed with the key of an issuer. The authenticator follows RFC 8725: one algorithm per
issuer, every claim is checked, and no URL or key in a token's header is used.

It may use ``secrets``, ``documents`` and ``models``; of a request it knows the value of one header field.
Begin with ``credentials`` (header -> token), then ``authenticator`` (token -> grant); ``issuing`` signs new tokens.
"""

from ...models.grants import Grant, Reason, Unauthorized
from ...secrets.keys import usable_key
from .authenticator import Authenticator, IssuerLookup
from .credentials import token_from_header
from .issuing import DEFAULT_ABILITIES, issue_token

__all__ = [
    "DEFAULT_ABILITIES",
    "Authenticator",
    "Grant",
    "IssuerLookup",
    "Reason",
    "Unauthorized",
    "issue_token",
    "token_from_header",
    "usable_key",
]
