"""Secrets, and new tokens."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from lading.service.api.auth import issue_token
from lading.service.models.grants import Reason
from lading.service.models.issuers import Algorithm, Issuer
from lading.service.secrets.keys import usable_key
from tests.support.tokens import ISSUERS, NOW, SECRET, authenticate, refusal

# The token of the API's published example request, in two halves.
EXAMPLE_HEADER = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
EXAMPLE_CLAIMS = (
    "eyJleHAiOjE1NTQ3NTk1MzcsImlhdCI6MTU1NDc0NTEzNywiaXNzIjoiZmEzNTViNWUtZDFlNC00MTU1LWFkZmEtMGIwMGRlNTA2MjlkIiwi"
    "YWJpbGl0aWVzIjp7ImltcG9ydGVkX2FsYnVtIjp7IkFjY2VzcyI6eyJpbWFnZV91cGxvYWQiOnRydWV9fX19"
)
EXAMPLE_TOKEN = f"{EXAMPLE_HEADER}.{EXAMPLE_CLAIMS}.BeY4JS1l5kegBlcCgCvUzWKZ72Y488Lt05eS8AKSXnY"


@pytest.mark.parametrize(("algorithm", "minimum"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash(algorithm: str, minimum: int) -> None:
    usable_key(Algorithm(algorithm), "s" * minimum)
    usable_key(Algorithm(algorithm), "ä" * (minimum // 2))
    with pytest.raises(ValueError, match=f"{minimum - 1} bytes; {algorithm} needs at least {minimum}"):
        usable_key(Algorithm(algorithm), "s" * (minimum - 1))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "\ud800" * 64,
        "ssh-rsa " + "A" * 64,
        '{"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}',
        "-----BEGIN PUBLIC KEY-----\nAAAAAAAAAAAAAAAAAAAA\n-----END PUBLIC KEY-----",
    ],
)
def test_refuses_secrets_that_are_none(secret: str) -> None:
    with pytest.raises(ValueError, match="secret") as caught:
        usable_key(Algorithm.HS256, secret)
    assert not secret or secret not in str(caught.value)
    with pytest.raises(ValueError, match="secret"):
        issue_token(Issuer("key-1", "org-1", secret), abilities={}, now=NOW, expires=None)


def test_the_published_example_is_still_the_published_example() -> None:
    header = jwt.get_unverified_header(EXAMPLE_TOKEN)
    payload = jwt.decode(EXAMPLE_TOKEN, options={"verify_signature": False})
    assert list(header) == ["typ", "alg"]
    assert list(payload) == ["exp", "iat", "iss", "abilities"]
    issuer = Issuer(payload["iss"], "org-1", SECRET, Algorithm(header["alg"]))
    token = issue_token(
        issuer,
        abilities={album: list(entry["Access"]) for album, entry in payload["abilities"].items()},
        now=datetime.fromtimestamp(payload["iat"], UTC),
        expires=timedelta(seconds=payload["exp"] - payload["iat"]),
    )
    assert token.rpartition(".")[0] == EXAMPLE_TOKEN.rpartition(".")[0]


@pytest.mark.parametrize("issuer_id", ["key-1", "key-384", "key-512"])
@pytest.mark.parametrize("admin", [True, False])
def test_what_is_issued_is_accepted(issuer_id: str, admin: bool) -> None:
    issuer = ISSUERS[issuer_id]
    abilities = {"é": ("image_upload", "see"), "empty": ()}
    token = issue_token(issuer, abilities=abilities, now=NOW, expires=timedelta(hours=4), admin=admin)
    grant = authenticate(f"Bearer {token}")
    assert (grant.issuer_id, grant.organization_id, grant.admin) == (issuer.id, issuer.organization_id, admin)
    assert grant.abilities == {"é": frozenset({"image_upload", "see"})}


def test_a_token_without_expiry_is_for_lax_issuers() -> None:
    tokens = {name: issue_token(ISSUERS[name], abilities={}, now=NOW, expires=None) for name in ("lax", "key-1")}
    assert authenticate(f"Token {tokens['lax']}").issuer_id == "lax"
    assert refusal(f"Token {tokens['key-1']}") is Reason.MISSING_EXP
