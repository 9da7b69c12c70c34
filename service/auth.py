"""Tokens: from an ``Authorization`` header to the grant it stands for, and how the command line makes tokens.

A token is a JWT (RFC 7519) that an issuer signed with its secret. It is checked as RFC 8725 asks: one algorithm per
issuer, every claim looked at, and nothing in a token's header leads anywhere. The only module that imports PyJWT.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import jwt

from service.clock import Clock
from service.issuers import MAX_ISSUER_ID, Algorithm, Issuer
from service.params import ParamLimits, ParamsError, parse_json

IssuerLookup = Callable[[str], Awaitable[Issuer | None]]
"""Finds an issuer by its id; None where there is none."""

_CLAIM_LIMITS = ParamLimits()

# RFC 7518 section 3.2: a key is at least as long as the hash.
_MIN_SECRET_BYTES = {Algorithm.HS256: 32, Algorithm.HS384: 48, Algorithm.HS512: 64}

_JWS = jwt.PyJWS(
    algorithms=[algorithm.value for algorithm in Algorithm],
    options={"verify_signature": True, "enforce_minimum_key_length": True},
)

# What an unknown issuer's signature is checked against, so that the time of the answer does not tell who exists.
_NOBODYS_SECRET = secrets.token_urlsafe(64)

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


class Reason(StrEnum):
    """Why a token was refused; for the log only. The client gets one and the same answer, whatever the reason."""

    MISSING = "missing"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    WRONG_TYPE = "wrong_type"
    WRONG_ALGORITHM = "wrong_algorithm"
    CRITICAL_EXTENSION = "critical_extension"
    INVALID_ISSUER = "invalid_issuer"
    UNKNOWN_ISSUER = "unknown_issuer"
    WEAK_SECRET = "weak_secret"  # noqa: S105 - a reason, not a secret
    BAD_SIGNATURE = "bad_signature"
    DISABLED = "disabled"
    INVALID_TIME = "invalid_time"
    MISSING_EXP = "missing_exp"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    OTHER_AUDIENCE = "other_audience"


class Unauthorized(Exception):
    """The request has no valid token. It never holds the token or any part of it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Grant:
    """What a valid token allows.

    Attributes:
        issuer_id: the issuer that signed it.
        organization_id: the issuer's organisation.
        token: the token as sent; it is a credential until it expires, so it has no repr.
        admin: whether everything in the organisation is allowed.
        abilities: by album, the names of the abilities granted there.
    """

    issuer_id: str
    organization_id: str
    token: str = field(repr=False)
    admin: bool = False
    abilities: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def allows(self, ability: str, album_id: str | None) -> bool:
        """Whether the ability is granted in the album; for None, whether it is granted in any album."""
        if self.admin:
            return True
        if album_id is None:
            return any(ability in granted for granted in self.abilities.values())
        return ability in self.abilities.get(album_id, frozenset())


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


class Authenticator:
    """Turns ``Authorization`` headers into grants.

    Args:
        lookup: finds an issuer; awaited once for every well-formed token. What it raises passes through.
        clock: judges ``exp`` and ``nbf``.
        leeway: seconds by which the issuers' clocks may differ from it, at least 0.
        max_token_bytes: longest header value that is looked at.
    """

    def __init__(self, lookup: IssuerLookup, clock: Clock, *, leeway: float = 0.0, max_token_bytes: int = 8192) -> None:
        self._lookup = lookup
        self._clock = clock
        self._leeway = leeway
        self._max_token_bytes = max_token_bytes

    async def authenticate(self, authorization: str | None) -> Grant:
        """The grant of a request.

        Args:
            authorization: value of the ``Authorization`` header, or None where there is none.

        Raises:
            Unauthorized: there is no valid token.
        """
        if authorization is None:
            raise Unauthorized(Reason.MISSING)
        token = token_from_header(authorization, self._max_token_bytes)
        header, claims = (_decode(segment) for segment in token.split(".")[:2])
        algorithm = _algorithm(header)
        issuer = _verified(token, algorithm, await self._lookup(_issuer_id(claims)))
        if not issuer.enabled:
            raise Unauthorized(Reason.DISABLED)
        self._check_times(claims, issuer)
        if claims.get("aud") is not None:  # meant for others only (RFC 7519 section 4.1.3)
            raise Unauthorized(Reason.OTHER_AUDIENCE)
        return Grant(
            issuer_id=issuer.id,
            organization_id=issuer.organization_id,
            token=token,
            admin=claims.get("admin") is True,
            abilities=_abilities(claims),
        )

    def _check_times(self, claims: Mapping[str, Any], issuer: Issuer) -> None:
        """RFC 7519 sections 4.1.4 to 4.1.6. ``iat`` must be a number; it refuses nothing, since clocks differ."""
        times = {name: _number(claims[name]) for name in ("exp", "nbf", "iat") if name in claims}
        now = self._clock.now().timestamp()
        if "exp" not in times and issuer.require_exp:
            raise Unauthorized(Reason.MISSING_EXP)
        if "exp" in times and now >= times["exp"] + self._leeway:
            raise Unauthorized(Reason.EXPIRED)
        if "nbf" in times and now + self._leeway < times["nbf"]:
            raise Unauthorized(Reason.NOT_YET_VALID)


def _decode(segment: str) -> dict[str, Any]:
    """Decode a segment as JSON, with the strictness of request bodies: no duplicate keys, bounded depth and numbers."""
    try:
        return parse_json(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), _CLAIM_LIMITS)
    except (binascii.Error, ParamsError) as error:
        raise Unauthorized(Reason.MALFORMED) from error


def _algorithm(header: Mapping[str, Any]) -> Algorithm:
    """The algorithm a token claims; ``kid``, ``jku``, ``x5u``, ``jwk`` and the like are not even read."""
    if "crit" in header:
        raise Unauthorized(Reason.CRITICAL_EXTENSION)
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.upper() != "JWT":  # made for another purpose (RFC 8725 section 3.11)
        raise Unauthorized(Reason.WRONG_TYPE)
    try:
        return Algorithm(header.get("alg", ""))
    except ValueError as error:
        raise Unauthorized(Reason.WRONG_ALGORITHM) from error


def _issuer_id(claims: Mapping[str, Any]) -> str:
    issuer_id = claims.get("iss")
    if not isinstance(issuer_id, str) or not 1 <= len(issuer_id) <= MAX_ISSUER_ID:
        raise Unauthorized(Reason.INVALID_ISSUER)
    return issuer_id


def _verified(token: str, algorithm: Algorithm, issuer: Issuer | None) -> Issuer:
    """Check the signature; where no secret may check it, do the same work with a secret that nobody has."""
    usable = issuer is not None and issuer.algorithm == algorithm
    unusable = Reason.UNKNOWN_ISSUER if issuer is None else Reason.WRONG_ALGORITHM
    secret = issuer.secret if issuer is not None and usable else _NOBODYS_SECRET
    try:
        _JWS.decode_complete(token, secret, algorithms=[algorithm.value])
    except jwt.InvalidSignatureError as error:
        raise Unauthorized(Reason.BAD_SIGNATURE if usable else unusable) from error
    except jwt.InvalidKeyError as error:
        raise Unauthorized(Reason.WEAK_SECRET) from error
    except jwt.PyJWTError as error:
        raise Unauthorized(Reason.MALFORMED) from error
    if issuer is None or not usable:
        raise Unauthorized(unusable)
    return issuer


def _number(value: Any) -> int | float:
    """A NumericDate; JSON's ``true`` is no number, though Python's is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthorized(Reason.INVALID_TIME)
    return value


def _abilities(claims: Mapping[str, Any]) -> Mapping[str, frozenset[str]]:
    """Read ``abilities[album]["Access"][ability]``: only ``true`` grants, and what has another shape grants nothing."""
    granted = {}
    for album, entry in _object(claims.get("abilities")).items():
        access = _object(_object(entry).get("Access"))
        if names := frozenset(name for name, value in access.items() if value is True):
            granted[album] = names
    return MappingProxyType(granted)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def check_secret(algorithm: Algorithm, secret: str) -> None:
    """Make sure that a secret can sign and verify tokens: long enough (RFC 7518 section 3.2), and no public key.

    Raises:
        ValueError: it cannot; the message says why and does not hold the secret.
    """
    minimum = _MIN_SECRET_BYTES[algorithm]
    try:
        length = len(secret.encode("utf-8"))
    except UnicodeEncodeError:
        raise ValueError("the secret is not valid Unicode") from None
    if length < minimum:
        raise ValueError(f"the secret has {length} bytes; {algorithm} needs at least {minimum} (RFC 7518 section 3.2)")
    try:
        _JWS.get_algorithm_by_name(algorithm.value).prepare_key(secret)
    except jwt.InvalidKeyError as error:
        raise ValueError(f"the secret cannot be used with {algorithm}: {error}") from error


def issue_token(
    issuer: Issuer,
    *,
    abilities: Mapping[str, Collection[str]],
    now: datetime,
    expires: timedelta | None,
    admin: bool = False,
) -> str:
    """Sign a token; its header and claims are laid out as those of the tokens that clients of this API send.

    Args:
        issuer: whose id and secret are used.
        abilities: by album, the names of the abilities to grant there.
        now: time of issue, timezone-aware; whole seconds of it are used.
        expires: how long the token is valid; None for a token without ``exp``.
        admin: whether to allow everything in the organisation.

    Raises:
        ValueError: the issuer's secret is unfit, see ``check_secret``.
    """
    check_secret(issuer.algorithm, issuer.secret)
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {} if expires is None else {"exp": issued_at + int(expires.total_seconds())}
    claims |= {"iat": issued_at, "iss": issuer.id}
    claims["abilities"] = {album: {"Access": dict.fromkeys(names, True)} for album, names in abilities.items()}
    if admin:
        claims["admin"] = True
    return jwt.encode(claims, issuer.secret, algorithm=issuer.algorithm.value, sort_headers=False)
