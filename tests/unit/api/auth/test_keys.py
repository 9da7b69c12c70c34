"""Public keys, two keys at once, and as much work for every refusal."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat

from lading.service.api.auth import issue_token
from lading.service.models.grants import Reason
from lading.service.models.issuers import Algorithm, Issuer
from lading.service.secrets.keys import usable_key
from tests.support.tokens import (
    ISSUERS,
    NOW,
    PUBLIC_NAMES,
    SECRET,
    SECRET_NAMES,
    authenticate,
    claims,
    key_text,
    private_key,
    private_pem,
    public_pem,
    refusal,
    sign,
    signing_key,
)

NAMES = SECRET_NAMES + PUBLIC_NAMES
IDS = dict(zip(NAMES, ("key-1", "key-384", "key-512", *(f"key-{name}" for name in PUBLIC_NAMES)), strict=True))


def token_of(name: str, number: int = 0, **changes: Any) -> str:
    """An ``Authorization`` header with a token that the issuer of an algorithm signed, or another of that algorithm."""
    return "Token " + sign(claims(iss=IDS[name], **changes), {"alg": name}, signing_key(name, number))


# --- one algorithm for an issuer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_issuers_own_algorithm_is_accepted_and_no_other(name: str) -> None:
    assert authenticate(token_of(name)).issuer_id == IDS[name]
    for other in NAMES:
        if other != name:
            token = sign(claims(iss=IDS[name]), {"alg": other}, signing_key(other))
            assert refusal(f"Token {token}") is Reason.WRONG_ALGORITHM


@pytest.mark.parametrize("name", PUBLIC_NAMES)
@pytest.mark.parametrize("secret_name", SECRET_NAMES)
def test_a_public_key_is_no_secret(name: str, secret_name: str) -> None:
    """Who knows the public key, which is no secret, makes an HMAC with it."""
    for key in (key_text(name), key_text(name).strip(), private_pem(private_key(name))):
        token = sign(claims(iss=IDS[name]), {"alg": secret_name}, key)
        assert refusal(f"Token {token}") is Reason.WRONG_ALGORITHM
        with pytest.raises(ValueError, match="cannot be used"):
            usable_key(Algorithm(secret_name), key)


@pytest.mark.parametrize("name", NAMES)
def test_another_key_or_a_changed_claim_is_refused(name: str) -> None:
    assert refusal(token_of(name, 1)) is Reason.BAD_SIGNATURE
    signature = token_of(name).rpartition(".")[2]
    other_message = token_of(name, admin=True).rpartition(".")[0]
    assert refusal(f"{other_message}.{signature}") is Reason.BAD_SIGNATURE
    assert refusal(f"{other_message}.") is Reason.BAD_SIGNATURE


def test_signatures_of_zeros_are_refused() -> None:
    message = token_of("ES256").rpartition(".")[0]
    for signature in ("A" * 86, "A" * 85 + "Q", "MAYCAQACAQA"):
        assert refusal(f"{message}.{signature}") in (Reason.BAD_SIGNATURE, Reason.MALFORMED)


# --- what a public key is ---------------------------------------------------------------------------------------------


def pkcs1_pem(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_a_public_key_is_kept_alone(name: str) -> None:
    text = key_text(name)
    assert usable_key(Algorithm(name), text) == text
    assert usable_key(Algorithm(name), f"a comment\n{text}and more\n") == text
    assert usable_key(Algorithm(name), text.replace("\n", "\r\n")) == text


def test_an_rsa_key_may_be_in_its_own_form() -> None:
    key = private_key("RS256")
    assert isinstance(key, rsa.RSAPrivateKey)
    assert usable_key(Algorithm.RS256, pkcs1_pem(key)) == public_pem(key)


@pytest.mark.parametrize(
    ("name", "make", "needs"),
    [
        ("RS256", lambda: rsa.generate_private_key(65537, 1024), "2048 to 8192 bits"),
        ("RS256", lambda: private_key("ES256"), "an RSA key"),
        ("ES256", lambda: ec.generate_private_key(ec.SECP384R1()), "P-256"),
        ("ES256", lambda: ec.generate_private_key(ec.SECP256K1()), "P-256"),
        ("ES256", lambda: private_key("EdDSA"), "P-256"),
        ("EdDSA", ed448.Ed448PrivateKey.generate, "Ed25519"),
        ("EdDSA", lambda: private_key("RS256"), "Ed25519"),
    ],
)
def test_a_key_that_is_weak_or_of_another_kind_is_refused(
    name: str, make: Callable[[], PrivateKeyTypes], needs: str
) -> None:
    text = public_pem(make())
    with pytest.raises(ValueError, match=needs):
        usable_key(Algorithm(name), text)
    issuers = {IDS[name]: replace(ISSUERS[IDS[name]], key=text)}
    assert refusal(token_of(name), issuers=issuers) is Reason.UNFIT_KEY


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_a_private_key_given_by_mistake_is_refused_and_not_shown(name: str) -> None:
    key = private_key(name)
    forms = [private_pem(key), key_text(name) + private_pem(key), private_pem(key).replace("\n", "\r\n")]
    forms.append(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p")).decode())
    if name != "EdDSA":
        no_encryption = private_pem(key)
        traditional = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"p"))
        forms += [no_encryption, traditional.decode()]
    for text in forms:
        with pytest.raises(ValueError, match="this is a private key") as caught:
            usable_key(Algorithm(name), text)
        assert caught.value.__cause__ is None
        assert not any(line in str(caught.value) for line in text.splitlines() if line)


@pytest.mark.parametrize("text", ["", "\ud800", SECRET, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_what_is_no_key_is_refused_and_not_shown(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="not a public key in PEM") as caught:
        usable_key(Algorithm(name), text)
    assert not text or text not in str(caught.value)


# --- two keys at once -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_two_keys_are_accepted_while_they_are_changed(name: str) -> None:
    def issuers(**changes: Any) -> dict[str, Issuer]:
        return {IDS[name]: replace(ISSUERS[IDS[name]], previous_key=key_text(name, 1), **changes)}

    for until in (None, NOW + timedelta(milliseconds=1)):
        for number in (0, 1):
            grant = authenticate(token_of(name, number), issuers=issuers(previous_until=until))
            assert grant.issuer_id == IDS[name]
    assert authenticate(token_of(name), issuers=issuers(previous_until=NOW)).issuer_id == IDS[name]
    assert refusal(token_of(name, 1), issuers=issuers(previous_until=NOW)) is Reason.BAD_SIGNATURE
    disabled = issuers(enabled=False)
    assert refusal(token_of(name, 1), issuers=disabled) is Reason.DISABLED


def test_a_previous_key_that_is_unfit_spoils_nothing() -> None:
    issuers = {"key-1": replace(ISSUERS["key-1"], previous_key="short")}
    assert authenticate(token_of("HS256"), issuers=issuers).issuer_id == "key-1"
    assert refusal(token_of("HS256", 1), issuers=issuers) is Reason.UNFIT_KEY


def test_no_key_is_in_a_repr() -> None:
    shown = repr(replace(ISSUERS["key-1"], previous_key="hush " * 10))
    assert SECRET not in shown
    assert "hush" not in shown


# --- as much work for every refusal -----------------------------------------------------------------------------------


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The verifications that are made: the kind, and the key; they do what they did."""
    made: list[tuple[str, Any]] = []

    def watch(kind: type[jwt.algorithms.Algorithm]) -> None:
        original = kind.verify

        def verify(self: Any, msg: bytes, key: Any, sig: bytes) -> bool:
            made.append((kind.__name__, key))
            return original(self, msg, key, sig)

        monkeypatch.setattr(kind, "verify", verify)

    algorithms = jwt.algorithms
    for kind in (algorithms.HMACAlgorithm, algorithms.RSAAlgorithm, algorithms.ECAlgorithm, algorithms.OKPAlgorithm):
        watch(kind)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_every_refusal_by_key_or_issuer_costs_the_same_verifications(
    name: str, verifications: list[tuple[str, Any]]
) -> None:
    issuer = ISSUERS[IDS[name]]
    other = ISSUERS["key-1" if name != "HS256" else "key-512"]
    changing = replace(issuer, previous_key=key_text(name, 1))
    cases: list[tuple[Issuer | None, Reason]] = [
        (None, Reason.UNKNOWN_ISSUER),
        (replace(other, id=issuer.id), Reason.WRONG_ALGORITHM),
        (replace(other, id=issuer.id, enabled=False), Reason.WRONG_ALGORITHM),
        (replace(issuer, key=key_text(name, 1)), Reason.BAD_SIGNATURE),
        (replace(changing, key=key_text(name, 1)), Reason.BAD_SIGNATURE),
        (replace(changing, key=key_text(name, 1), previous_until=NOW), Reason.BAD_SIGNATURE),
        (replace(issuer, key=key_text(name, 1), enabled=False), Reason.BAD_SIGNATURE),
        (replace(issuer, key="unfit"), Reason.UNFIT_KEY),
    ]
    authorization = token_of(name)
    kinds = set()
    for found, reason in cases:
        verifications.clear()
        issuers = {} if found is None else {issuer.id: found}
        assert refusal(authorization, issuers=issuers) is reason
        assert len(verifications) == 2, reason
        kinds |= {kind for kind, _ in verifications}
    assert len(kinds) == 1, "each with the algorithm of the token"


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_nobodys_keys_are_as_large_as_somebodys(name: str, verifications: list[tuple[str, Any]]) -> None:
    assert refusal(token_of(name), issuers={}) is Reason.UNKNOWN_ISSUER
    for _, key in verifications:
        text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        assert usable_key(Algorithm(name), text) == text
        assert len(text) == len(key_text(name))


def test_a_signature_that_fits_is_verified_once(verifications: list[tuple[str, Any]]) -> None:
    authenticate(token_of("HS256"))
    assert len(verifications) == 1


# --- signing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_a_token_is_signed_with_the_private_key(name: str) -> None:
    issuer = ISSUERS[IDS[name]]
    pem = private_pem(private_key(name))
    token = issue_token(issuer, abilities={"a": ("see",)}, now=NOW, expires=timedelta(hours=1), private_key=pem)
    assert authenticate(f"Token {token}").allows("see", "a")


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_a_token_is_signed_with_no_other_key(name: str) -> None:
    issuer = ISSUERS[IDS[name]]
    key = private_key(name)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p")).decode()
    others = {
        None: "has a public key alone",
        private_pem(private_key(name, 1)): "does not belong",
        private_pem(private_key("ES256" if name != "ES256" else "RS256")): "does not belong",
        locked: "passphrase",
        key_text(name): "not a private key",
        "": "not a private key",
    }
    for text, problem in others.items():
        with pytest.raises(ValueError, match=problem) as caught:
            issue_token(issuer, abilities={}, now=NOW, expires=None, private_key=text)
        assert "BEGIN" not in str(caught.value)
    with pytest.raises(ValueError, match="signs with its secret"):
        issue_token(ISSUERS["key-1"], abilities={}, now=NOW, expires=None, private_key=private_pem(key))
