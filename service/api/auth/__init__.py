"""Tokens: from an ``Authorization`` header to the grant it stands for, and how the command line makes tokens.

A token is a JWT (RFC 7519) signed with the key of an issuer. It is checked as RFC 8725 asks: one algorithm per issuer,
every claim looked at, and nothing in a token's header leads anywhere.

credentials     the header's value -> the token
authenticator   the token -> the grant
grants          what a token allows, and why one is refused
keys            what may verify or sign; the only module that imports PyJWT
issuing         new tokens
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
