"""Issuers, and tokens made without any JWT library."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tornado.ioloop import IOLoop

from lading.service.api.auth import Authenticator
from lading.service.models.grants import Grant, Reason, Unauthorized
from lading.service.models.issuers import Algorithm, Issuer

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
SECRET = "correct horse battery staple, and then a few more words to make it long enough"
HASHES: Mapping[str, Callable[..., Any]] = {
    "HS256": hashlib.sha256,
    "HS384": hashlib.sha384,
    "HS512": hashlib.sha512,
}
OTHER_SECRET = SECRET[::-1]


# --- key pairs --------------------------------------------------------------------------------------------------------


def private_key(name: str, number: int = 0) -> PrivateKeyTypes:
    """The key pair of an algorithm, or another one, by ``number``."""
    return _new_private_key(name, number)


@cache
def _new_private_key(name: str, number: int) -> PrivateKeyTypes:
    if name == "RS256":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1()) if name == "ES256" else ed25519.Ed25519PrivateKey.generate()


def private_pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: PrivateKeyTypes) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signature_of(message: bytes, name: str, key: str | PrivateKeyTypes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return b"".join(number.to_bytes(32, "big") for number in numbers)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    assert isinstance(key, str)
    return hmac.digest(key.encode(), message, HASHES.get(name, hashlib.sha256))


# --- issuers ----------------------------------------------------------------------------------------------------------

SECRET_NAMES = ("HS256", "HS384", "HS512")
PUBLIC_NAMES = ("RS256", "ES256", "EdDSA")


def signing_key(name: str, number: int = 0) -> str | PrivateKeyTypes:
    """What tokens of an algorithm are signed with: a secret or a private key."""
    return (SECRET, OTHER_SECRET)[number] if name in SECRET_NAMES else private_key(name, number)


def key_text(name: str, number: int = 0) -> str:
    """What the issuer of that signing key has."""
    key = signing_key(name, number)
    return key if isinstance(key, str) else public_pem(key)


ISSUERS: Mapping[str, Issuer] = {
    issuer.id: issuer
    for issuer in (
        Issuer("key-1", "org-1", SECRET),
        Issuer("key-384", "org-1", SECRET, Algorithm.HS384),
        Issuer("key-512", "org-2", SECRET, Algorithm.HS512),
        *(Issuer(f"key-{name}", "org-2", key_text(name), Algorithm(name)) for name in PUBLIC_NAMES),
        Issuer("disabled", "org-1", SECRET, enabled=False),
        Issuer("lax", "org-1", SECRET, require_exp=False),
        Issuer("weak", "org-1", "short"),
    )
}


# --- tokens -----------------------------------------------------------------------------------------------------------


class SetClock:
    """A clock that stands still."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


class Lookup:
    """Finds the issuers above, or others, and remembers what it was asked."""

    def __init__(self, issuers: Mapping[str, Issuer] = ISSUERS) -> None:
        self.issuers = issuers
        self.asked: list[str] = []

    async def __call__(self, issuer_id: str) -> Issuer | None:
        self.asked.append(issuer_id)
        return self.issuers.get(issuer_id)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims: Any, header: Any = None, key: str | PrivateKeyTypes = SECRET) -> str:
    """A token made without any JWT library; ``bytes`` are taken as they are, everything else becomes JSON."""
    header = {"typ": "JWT", "alg": "HS256"} if header is None else header
    segments = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    message = ".".join(encode(segment) for segment in segments)
    name = header.get("alg") if isinstance(header, dict) else None
    return f"{message}.{encode(signature_of(message.encode(), name if isinstance(name, str) else '', key))}"


def claims(**changes: Any) -> dict[str, Any]:
    return {"exp": NOW.timestamp() + 60, "iss": "key-1", **changes}


def authenticate(authorization: str | None, leeway: float = 0, issuers: Mapping[str, Issuer] = ISSUERS) -> Grant:
    """The grant, asked for on a loop of its own."""
    loop = IOLoop(make_current=False)
    try:
        authenticator = Authenticator(Lookup(issuers), SetClock(), leeway=leeway)
        grant: Grant = loop.run_sync(lambda: authenticator.authenticate(authorization))
        return grant
    finally:
        loop.close()


def refusal(authorization: str | None, leeway: float = 0, issuers: Mapping[str, Issuer] = ISSUERS) -> Reason:
    with pytest.raises(Unauthorized) as caught:
        authenticate(authorization, leeway, issuers)
    assert str(caught.value) == caught.value.reason.value
    return caught.value.reason
