"""Whatever is sent is a grant or ``Unauthorized``."""

import re
import string
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lading.service.models.grants import Grant, Reason, Unauthorized
from tests.support.tokens import authenticate, claims, encode, sign, signing_key

# A loaded machine must not fail a test.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(), child, max_size=3),
    max_leaves=8,
)


def granted(authorization: str) -> Grant | None:
    """The grant or None; every exception but ``Unauthorized`` passes through."""
    try:
        return authenticate(authorization)
    except Unauthorized:
        return None


@PATIENT
@given(st.text() | st.text(string.printable).map("Token ".__add__))
@example("Token " + "a" * 4000 + "." + "b" * 4000)
def test_arbitrary_headers_are_unauthorized(value: str) -> None:
    assert granted(value) is None


@PATIENT
@given(st.data())
def test_mangled_tokens_are_unauthorized(data: st.DataObject) -> None:
    token = sign(claims(abilities={"album": {"Access": {"image_upload": True}}}))
    at = data.draw(st.integers(0, len(token) - 1))
    with_instead = data.draw(st.text(string.ascii_letters + string.digits + "-_.", max_size=3))
    mangled = token[:at] + with_instead + token[at + 1 :]
    assert (granted(f"Token {mangled}") is None) is (mangled != token)


@PATIENT
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(["iss", "exp", "nbf", "iat", "aud", "admin", "abilities"], JSON)),
    st.fixed_dictionaries(
        {"alg": st.sampled_from(["HS256", "RS256", "ES256", "EdDSA"]) | JSON},
        optional=dict.fromkeys(["typ", "crit", "kid", "b64", "jku", "jwk"], JSON),
    ),
    st.booleans(),
)
def test_signed_nonsense_is_unauthorized_or_grants_nothing(payload: Any, header: Any, repair: bool) -> None:
    if repair:
        payload, header = {**payload, "iss": "lax"}, {**header, "alg": "HS256"}
    grant = granted("Token " + sign(payload, header))
    if grant is not None:
        assert grant.issuer_id == "lax"
        assert not grant.allows("image_upload", "album") or grant.admin


@PATIENT
@given(st.sampled_from(["HS256", "RS256", "ES256", "EdDSA"]), st.binary(max_size=600), st.booleans())
def test_any_signature_of_any_algorithm_is_unauthorized(name: str, signature: bytes, known: bool) -> None:
    issuer_id = ("key-1" if name == "HS256" else f"key-{name}") if known else "nobody"
    message = sign(claims(iss=issuer_id), {"alg": name}, signing_key(name)).rpartition(".")[0]
    assert granted(f"Token {message}.{encode(signature)}") is None


def test_every_reason_is_reached_by_a_test() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert {reason.name for reason in Reason} <= set(re.findall(r"Reason\.([A-Z_]+)", source))
