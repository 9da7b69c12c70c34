"""From a token to its grant."""

import dataclasses
import json
import string
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from lading.service.api.auth import Authenticator
from lading.service.models.grants import Grant, Reason, Unauthorized
from lading.service.models.issuers import Issuer
from tests.support.tokens import SECRET, Lookup, SetClock, authenticate, claims, encode, refusal, sign

NOT_TRUE: list[Any] = [1, 1.0, "true", "True", [True], {}, None, False]


def test_grants_what_the_token_says() -> None:
    abilities = {"one": {"Access": {"image_upload": True, "image_list": True}}, "two": {"Access": {"see": True}}}
    token = sign(claims(abilities=abilities))
    grant = authenticate(f'Token token="{token}"')
    assert grant == Grant(
        issuer_id="key-1",
        organization_id="org-1",
        token=token,
        admin=False,
        abilities={"one": frozenset({"image_upload", "image_list"}), "two": frozenset({"see"})},
    )
    assert grant.allows("image_upload", "one")
    assert grant.allows("image_upload", None)
    assert grant.allows("see", "two")
    assert not grant.allows("image_upload", "two")
    assert not grant.allows("see", "one")
    assert not grant.allows("see", "three")
    assert not grant.allows("image_download", None)


def test_a_token_never_shows() -> None:
    token = sign(claims())
    grant = authenticate(f"Token {token}")
    assert token not in repr(grant)
    with pytest.raises(dataclasses.FrozenInstanceError):
        grant.admin = True  # type: ignore[misc]
    with pytest.raises(TypeError):
        grant.abilities["album"] = frozenset()  # type: ignore[index]


@pytest.mark.parametrize("admin", [True, *NOT_TRUE])
def test_admin_is_exactly_true(admin: Any) -> None:
    grant = authenticate("Token " + sign(claims(admin=admin)))
    assert grant.admin is (admin is True)
    assert grant.allows("image_upload", "any") is (admin is True)
    assert grant.allows("image_upload", None) is (admin is True)


@pytest.mark.parametrize(
    "abilities",
    [
        None,
        True,
        "image_upload",
        ["image_upload"],
        {},
        {"album": True},
        {"album": ["Access"]},
        {"album": {"image_upload": True}},
        {"album": {"access": {"image_upload": True}}},
        {"album": {"Access": True}},
        {"album": {"Access": ["image_upload"]}},
        {"album": {"Access": "image_upload"}},
        *({"album": {"Access": {"image_upload": value}}} for value in NOT_TRUE),
    ],
)
def test_malformed_abilities_grant_nothing_and_spoil_nothing(abilities: Any) -> None:
    grant = authenticate("Token " + sign(claims(abilities=abilities)))
    assert not grant.allows("image_upload", "album")
    assert not grant.allows("image_upload", None)
    assert not grant.abilities
    if isinstance(abilities, dict):
        good = {**abilities, "good": {"Access": {"see": True, "odd": 1}, "Other": 5}}
        assert authenticate("Token " + sign(claims(abilities=good))).abilities == {"good": frozenset({"see"})}


@pytest.mark.parametrize("typ", ["JWT", "jwt", None])
def test_accepts_tokens_with_and_without_typ(typ: str | None) -> None:
    header = {"alg": "HS256"} if typ is None else {"alg": "HS256", "typ": typ}
    assert authenticate("Token " + sign(claims(), header)).issuer_id == "key-1"


@pytest.mark.parametrize("kid", ["../../dev/null", "' OR 1=1", 1, None, ["key-1"], {"$ne": 1}])
def test_ignores_keys_that_a_header_offers(kid: Any) -> None:
    secret = "a secret that the token itself brings along, long enough"
    jwk = {"kty": "oct", "k": encode(secret.encode())}
    header = {"alg": "HS256", "kid": kid, "jku": "https://127.0.0.1:1/", "x5u": 1, "x5c": ["MII"], "jwk": jwk}
    assert authenticate("Token " + sign(claims(), header)).issuer_id == "key-1"
    assert refusal("Token " + sign(claims(), header, secret)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({}, Reason.WRONG_ALGORITHM),
        ({"alg": "none"}, Reason.WRONG_ALGORITHM),
        ({"alg": "hs256"}, Reason.WRONG_ALGORITHM),
        ({"alg": "RS256"}, Reason.WRONG_ALGORITHM),
        ({"alg": None}, Reason.WRONG_ALGORITHM),
        ({"alg": ["HS256"]}, Reason.WRONG_ALGORITHM),
        ({"alg": {"HS256": 1}}, Reason.WRONG_ALGORITHM),
        ({"alg": "HS256", "typ": "at+jwt"}, Reason.WRONG_TYPE),
        ({"alg": "HS256", "typ": None}, Reason.WRONG_TYPE),
        ({"alg": "HS256", "typ": 1}, Reason.WRONG_TYPE),
        ({"alg": "HS256", "crit": []}, Reason.CRITICAL_EXTENSION),
        ({"alg": "HS256", "crit": ["b64"], "b64": True}, Reason.CRITICAL_EXTENSION),
        ({"alg": "HS256", "b64": False}, Reason.CRITICAL_EXTENSION),
        ({"alg": "HS256", "b64": 1}, Reason.CRITICAL_EXTENSION),
        ([], Reason.MALFORMED),
        ("HS256", Reason.MALFORMED),
        (None, None),
        (b"{", Reason.MALFORMED),
        (b'{"alg": "HS256", "alg": "HS256"}', Reason.MALFORMED),
        (b'{"alg": "HS256", "x": ' + b"[" * 3000, Reason.MALFORMED),
        (b'{"alg": "HS256", "x": "\xff"}', Reason.MALFORMED),
    ],
)
def test_refuses_headers(header: Any, reason: Reason | None) -> None:
    authorization = "Token " + sign(claims(), header)
    if reason is None:
        assert authenticate(authorization)
    else:
        assert refusal(authorization) is reason


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b'{"iss": "key-1", "iss": "key-1"}',
        b'{"iss": "key-1", "exp": 1e999}',
        b'{"iss": "key-1", "exp": NaN}',
        b'{"iss": "key-1", "exp": %s}' % (b"9" * 4500),
        b'{"iss": "key-1", "x": ' + b"[" * 3000,
        b'{"iss": "\\ud800"}',
        b"\xff",
        *(json.dumps({"iss": iss}).encode() for iss in (None, 1, True, ["key-1"], {"key-1": 1}, "", "k" * 256)),
        b"{}",
    ],
)
@pytest.mark.gen_test
async def test_looks_up_nothing_but_a_sane_issuer(payload: bytes) -> None:
    lookup = Lookup()
    with pytest.raises(Unauthorized) as caught:
        await Authenticator(lookup, SetClock()).authenticate("Token " + sign(payload))
    assert caught.value.reason in (Reason.MALFORMED, Reason.INVALID_ISSUER)
    assert lookup.asked == []


def test_refuses_signatures_that_do_not_match() -> None:
    token = sign(claims())
    message, _, signature = token.rpartition(".")
    assert refusal(f"Token {message}.") is Reason.BAD_SIGNATURE
    assert refusal(f"Token {message}.{signature[:-3]}") is Reason.BAD_SIGNATURE
    assert refusal(f"Token {message}.{signature}A") is Reason.BAD_SIGNATURE
    assert refusal(f"Token {message}.{signature[:-2]}") is Reason.MALFORMED
    assert refusal("Token " + sign(claims(), key=SECRET + "x")) is Reason.BAD_SIGNATURE
    header, payload, _ = token.split(".")
    other = encode(json.dumps(claims(admin=True)).encode())
    assert payload != other
    assert refusal(f"Token {header}.{other}.{signature}") is Reason.BAD_SIGNATURE
    none = encode(b'{"alg": "none"}')
    assert refusal(f"Token {none}.{payload}.") is Reason.WRONG_ALGORITHM


def test_refuses_a_segment_that_could_be_written_in_two_ways() -> None:
    message, _, signature = sign(claims()).rpartition(".")
    last = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    twin = signature[:-1] + last[last.index(signature[-1]) | 1]
    assert twin != signature
    assert refusal(f"Token {message}.{twin}") is Reason.MALFORMED


@pytest.mark.parametrize(
    ("issuer_id", "reason"),
    [
        ("nobody", Reason.UNKNOWN_ISSUER),
        ("disabled", Reason.DISABLED),
        ("weak", Reason.UNFIT_KEY),
        ("k" * 255, Reason.UNKNOWN_ISSUER),
        ("a b", Reason.INVALID_ISSUER),
        ("\0", Reason.INVALID_ISSUER),
    ],
)
def test_refuses_issuers(issuer_id: str, reason: Reason) -> None:
    assert refusal("Token " + sign(claims(iss=issuer_id))) is reason


def test_no_header_is_no_token() -> None:
    assert refusal(None) is Reason.MISSING


def test_what_the_lookup_raises_passes_through(io_loop: IOLoop) -> None:
    async def broken(issuer_id: str) -> Issuer | None:
        raise ConnectionError(issuer_id)

    with pytest.raises(ConnectionError):
        io_loop.run_sync(lambda: Authenticator(broken, SetClock()).authenticate("Token " + sign(claims())))
