"""Keys that verify or sign the tokens of an issuer. Only this module imports PyJWT.

Lading checks a key when an issuer is created or configured, and again before it uses the key, since another version or
a person may have written to the document store.
"""

import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ..models.issuers import MAX_KEYS, Algorithm, Issuer

# RFC 7518 section 3.2: a key is at least as long as the hash.
_MIN_SECRET_BYTES = {Algorithm.HS256: 32, Algorithm.HS384: 48, Algorithm.HS512: 64}
# RFC 7518 section 3.3; the cost of a verification grows with the square of the size.
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192
_KINDS = {
    Algorithm.RS256: f"an RSA key of {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits",
    Algorithm.ES256: "an elliptic curve key on P-256",
    Algorithm.EDDSA: "an Ed25519 key",
}

_JWS = jwt.PyJWS(algorithms=[algorithm.value for algorithm in Algorithm])


# --- keys as text -----------------------------------------------------------------------------------------------------


def usable_key(algorithm: Algorithm, text: str) -> str:
    """Check that a key can verify an issuer's signatures. Blocks for a moment.

    A secret must be as long as the hash (RFC 7518 section 3.2) and no public key. A public key must be in PEM (``BEGIN
    PUBLIC KEY`` or ``BEGIN RSA PUBLIC KEY``): RSA with 2048 to 8192 bits for RS256, P-256 for ES256, Ed25519 for EdDSA.

    Returns:
        the key to keep: a secret unchanged, a public key without the text around it.

    Raises:
        ValueError: the key is unfit; the message says why, without the key.
    """
    if algorithm.uses_secret:
        return _usable_secret(algorithm, text)
    key = _public_key(algorithm, text)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _usable_secret(algorithm: Algorithm, secret: str) -> str:
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
        raise ValueError(f"the secret cannot be used with {algorithm}: {error}") from None
    return secret


def _public_key(algorithm: Algorithm, text: str) -> PublicKeyTypes:
    if "PRIVATE KEY-----" in text:
        raise ValueError(
            "this is a private key, which is to stay with those who sign; give its public key, as written by"
            " 'openssl pkey -in KEY -pubout'"
        )
    try:
        key = load_pem_public_key(text.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"this is not a public key in PEM; {algorithm} needs {_KINDS[algorithm]}") from None
    _check_kind(algorithm, key)
    return key


def _check_kind(algorithm: Algorithm, key: PublicKeyTypes) -> None:
    match algorithm:
        case Algorithm.RS256:
            fits = isinstance(key, RSAPublicKey) and _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS
        case Algorithm.ES256:
            fits = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
        case _:
            fits = isinstance(key, Ed25519PublicKey)
    if not fits:
        raise ValueError(f"the public key does not fit; {algorithm} needs {_KINDS[algorithm]}")


# --- verifying --------------------------------------------------------------------------------------------------------


def _keys_of_nobody() -> Mapping[Algorithm, Any]:
    modulus = secrets.randbits(_MIN_RSA_BITS) | 1 << (_MIN_RSA_BITS - 1) | 1  # a verification needs no primes
    return MappingProxyType(
        {
            **{algorithm: secrets.token_bytes(64) for algorithm in _MIN_SECRET_BYTES},
            Algorithm.RS256: RSAPublicNumbers(65537, modulus).public_key(),
            Algorithm.ES256: generate_private_key(SECP256R1()).public_key(),
            Algorithm.EDDSA: Ed25519PrivateKey.generate().public_key(),
        }
    )


_NOBODYS_KEYS = _keys_of_nobody()
"""The key that signatures are checked against if there is no other key; the result is ignored."""


def fit_keys(algorithm: Algorithm, texts: Sequence[str]) -> list[Any]:
    """The keys that ``usable_key`` accepts, ready to verify."""
    return [key for text in texts if (key := _prepared(algorithm, text)) is not None]


@lru_cache(maxsize=1024)
def _prepared(algorithm: Algorithm, text: str) -> Any:
    try:
        return _JWS.get_algorithm_by_name(algorithm.value).prepare_key(usable_key(algorithm, text))
    except ValueError:
        return None


def signature_fits(algorithm: Algorithm, keys: Sequence[Any], message: bytes, signature: bytes) -> bool:
    """Whether one of the keys, which come from ``fit_keys``, made the signature.

    A refusal always costs the same number of verifications, however many keys there are. So its duration does not
    reveal whether an issuer exists, has another algorithm, or is rotating its key.
    """
    verify = _JWS.get_algorithm_by_name(algorithm.value).verify
    padding = [_NOBODYS_KEYS[algorithm]] * (MAX_KEYS - len(keys))
    return any(
        verify(message, key, signature) and position < len(keys) for position, key in enumerate([*keys, *padding])
    )


# --- signing ----------------------------------------------------------------------------------------------------------


def signing_key(issuer: Issuer, private_key: str | None) -> Any:
    """The key that signs tokens of the issuer: its secret, or the private key of its public key.

    Args:
        issuer: the issuer of the tokens.
        private_key: in PEM, without a passphrase; None for an issuer with a secret.

    Raises:
        ValueError: the issuer's key is unfit, or the private key is missing, unfit, or of another pair. The message
            contains no key.
    """
    usable_key(issuer.algorithm, issuer.key)
    if issuer.algorithm.uses_secret:
        if private_key is not None:
            raise ValueError(f"the issuer {issuer.id!r} signs with its secret, not with a private key")
        return issuer.key
    if private_key is None:
        raise ValueError(f"the issuer {issuer.id!r} has a public key alone, which cannot sign")
    key = _private_key(private_key)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    if public != usable_key(issuer.algorithm, issuer.key):
        raise ValueError(f"the private key does not belong to the public key of the issuer {issuer.id!r}")
    return key


def _private_key(text: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(text.encode("utf-8"), password=None)
    except TypeError:
        raise ValueError("the private key has a passphrase; give it without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is not a private key in PEM") from None


def signed(claims: Mapping[str, Any], algorithm: Algorithm, key: Any) -> str:
    """A token with the header that clients of this API send, and the claims in their order."""
    return jwt.encode(dict(claims), key, algorithm=algorithm.value, sort_headers=False)
