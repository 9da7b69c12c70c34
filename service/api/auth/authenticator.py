"""From a token to its grant."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from ...errors.params import ParamsError
from ...models.clock import Clock
from ...models.grants import Grant, Reason, Unauthorized
from ...models.issuers import Algorithm, Issuer, is_issuer_id
from ...secrets.keys import fit_keys, signature_fits
from ..params import ParamLimits, parse_json
from .credentials import token_from_header
from .verified import VerifiedToken, VerifiedTokens

IssuerLookup = Callable[[str], Awaitable[Issuer | None]]
"""Finds an issuer by its id; None if there is none."""

_CLAIM_LIMITS = ParamLimits()


class Authenticator:
    """Turns ``Authorization`` headers into grants.

    Args:
        lookup: finds an issuer; awaited once for every well-formed token, also for a token that was verified before.
            Its errors pass through.
        clock: judges ``exp`` and ``nbf``, which come from the issuers' clocks (RFC 7519 section 4.1.4).
        keys_clock: judges how long the previous key is accepted, ``DocumentStore.clock``; ``clock`` unless given.
        leeway: seconds by which the issuers' clocks may differ, at least 0.
        max_token_bytes: the longest header value.
    """

    def __init__(
        self,
        lookup: IssuerLookup,
        clock: Clock,
        *,
        keys_clock: Clock | None = None,
        leeway: float = 0.0,
        max_token_bytes: int = 8192,
    ) -> None:
        self._lookup = lookup
        self._clock = clock
        self._keys_clock = keys_clock or clock
        self._leeway = leeway
        self._max_token_bytes = max_token_bytes
        self._known = VerifiedTokens()

    async def authenticate(self, authorization: str | None) -> Grant:
        """The grant of a request.

        Args:
            authorization: value of the ``Authorization`` header, or None without one.

        Raises:
            Unauthorized: there is no valid token.
        """
        if authorization is None:
            raise Unauthorized(Reason.MISSING)
        if len(authorization) > self._max_token_bytes:
            raise Unauthorized(Reason.TOO_LARGE)
        known = self._known.get(authorization)
        if known is not None:
            issuer = await self._lookup(known.issuer.id)
            if issuer == known.issuer and issuer.keys(self._keys_clock.now()) == known.keys:
                self._check_times(known.times, known.issuer, self._clock.now())
                return known.grant
            self._known.forget(authorization)
        verified = await self._verify(authorization)
        self._known.keep(authorization, verified)
        return verified.grant

    async def _verify(self, authorization: str) -> VerifiedToken:
        token = token_from_header(authorization, self._max_token_bytes)
        message, _, last = token.rpartition(".")
        header, claims = map(_json, message.split("."))
        signature = _decode(last)
        algorithm = _algorithm(header)
        found = await self._lookup(_issuer_id(claims))
        now = self._keys_clock.now()
        issuer = _verified(found, algorithm, message.encode(), signature, now)
        if not issuer.enabled:
            raise Unauthorized(Reason.DISABLED)
        names: Sequence[str] = ("exp", "nbf", "iat")
        times = {name: _number(claims[name]) for name in names if name in claims}
        self._check_times(times, issuer, self._clock.now())
        if claims.get("aud") is not None:  # meant for others only (RFC 7519 section 4.1.3)
            raise Unauthorized(Reason.OTHER_AUDIENCE)
        grant = Grant(
            issuer_id=issuer.id,
            organization_id=issuer.organization_id,
            token=token,
            admin=claims.get("admin") is True,
            abilities=_abilities(claims),
            expires_at=times["exp"] + self._leeway if "exp" in times else None,
            subject=_subject(claims),
        )
        return VerifiedToken(issuer, issuer.keys(now), times, grant)

    def _check_times(self, times: Mapping[str, int | float], issuer: Issuer, moment: datetime) -> None:
        """RFC 7519 sections 4.1.4 to 4.1.6. ``iat`` never refuses a token, since clocks differ."""
        now = moment.timestamp()
        if "exp" not in times and issuer.require_exp:
            raise Unauthorized(Reason.MISSING_EXP)
        if "exp" in times and now >= times["exp"] + self._leeway:
            raise Unauthorized(Reason.EXPIRED)
        if "nbf" in times and now + self._leeway < times["nbf"]:
            raise Unauthorized(Reason.NOT_YET_VALID)


def _subject(claims: Mapping[str, Any]) -> str | None:
    """RFC 7519 section 4.1.2; some signers name the user in ``user``."""
    found = claims.get("sub", claims.get("user"))
    return found if isinstance(found, str) and found else None


def _decode(segment: str) -> bytes:
    """Decode base64url; of several encodings of the same bytes, only one is accepted (RFC 4648 section 3.5)."""
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise Unauthorized(Reason.MALFORMED) from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != segment.encode():
        raise Unauthorized(Reason.MALFORMED)
    return decoded


def _json(segment: str) -> dict[str, Any]:
    """Decode a segment as JSON, with the strictness of request bodies: no duplicate keys, bounded depth and numbers."""
    try:
        return parse_json(_decode(segment), _CLAIM_LIMITS)
    except ParamsError as error:
        raise Unauthorized(Reason.MALFORMED) from error


def _algorithm(header: Mapping[str, Any]) -> Algorithm:
    """The algorithm that a token claims. ``kid``, ``jku``, ``x5u``, ``jwk`` and the like are not even read."""
    if "crit" in header or header.get("b64", True) is not True:  # RFC 7797 section 6: b64 must be in crit
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
    if not isinstance(issuer_id, str) or not is_issuer_id(issuer_id):
        raise Unauthorized(Reason.INVALID_ISSUER)
    return issuer_id


def _verified(issuer: Issuer | None, algorithm: Algorithm, message: bytes, signature: bytes, now: datetime) -> Issuer:
    """The issuer, if it made the signature. Every refusal costs the same number of verifications, see
    ``signature_fits``.
    """
    texts = issuer.keys(now) if issuer is not None and issuer.algorithm is algorithm else ()
    keys = fit_keys(algorithm, texts)
    fits = signature_fits(algorithm, keys, message, signature)
    if issuer is None:
        raise Unauthorized(Reason.UNKNOWN_ISSUER)
    if issuer.algorithm is not algorithm:
        raise Unauthorized(Reason.WRONG_ALGORITHM)
    if not fits:
        raise Unauthorized(Reason.BAD_SIGNATURE if len(keys) == len(texts) else Reason.UNFIT_KEY)
    return issuer


def _number(value: Any) -> int | float:
    """A NumericDate. JSON's ``true`` is no number, unlike Python's."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthorized(Reason.INVALID_TIME)
    return value


def _abilities(claims: Mapping[str, Any]) -> Mapping[str, frozenset[str]]:
    """Read ``abilities[album]["Access"][ability]``. Only ``true`` grants an ability; a value of another form grants
    nothing.
    """
    granted = {}
    for album, entry in _object(claims.get("abilities")).items():
        access = _object(_object(entry).get("Access"))
        if names := frozenset(name for name, value in access.items() if value is True):
            granted[album] = names
    return MappingProxyType(granted)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
