"""Tests of ``service.auth``."""

import base64
import dataclasses
import hashlib
import hmac
import json
import re
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tornado.ioloop import IOLoop

from service.auth import Authenticator, Grant, Reason, Unauthorized, check_secret, issue_token, token_from_header
from service.issuers import Algorithm, Issuer

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
SECRET = "correct horse battery staple, and then a few more words to make it long enough"
HASHES: dict[str, Callable[..., Any]] = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
ISSUERS = {
    issuer.id: issuer
    for issuer in (
        Issuer("key-1", "org-1", SECRET),
        Issuer("key-384", "org-1", SECRET, Algorithm.HS384),
        Issuer("key-512", "org-2", SECRET, Algorithm.HS512),
        Issuer("disabled", "org-1", SECRET, enabled=False),
        Issuer("lax", "org-1", SECRET, require_exp=False),
        Issuer("weak", "org-1", "short"),
    )
}

# The token of the API's published example request, in two halves.
EXAMPLE_HEADER = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
EXAMPLE_CLAIMS = (
    "eyJleHAiOjE1NTQ3NTk1MzcsImlhdCI6MTU1NDc0NTEzNywiaXNzIjoiZmEzNTViNWUtZDFlNC00MTU1LWFkZmEtMGIwMGRlNTA2MjlkIiwi"
    "YWJpbGl0aWVzIjp7ImltcG9ydGVkX2FsYnVtIjp7IkFjY2VzcyI6eyJpbWFnZV91cGxvYWQiOnRydWV9fX19"
)
EXAMPLE_TOKEN = f"{EXAMPLE_HEADER}.{EXAMPLE_CLAIMS}.BeY4JS1l5kegBlcCgCvUzWKZ72Y488Lt05eS8AKSXnY"


class SetClock:
    """A clock that stands still."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


class Lookup:
    """Finds the issuers above, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, issuer_id: str) -> Issuer | None:
        self.asked.append(issuer_id)
        return ISSUERS.get(issuer_id)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims: Any, header: Any = None, secret: str = SECRET) -> str:
    """A token made without any JWT library; ``bytes`` are taken as they are, everything else becomes JSON."""
    header = {"typ": "JWT", "alg": "HS256"} if header is None else header
    segments = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    message = ".".join(encode(segment) for segment in segments)
    name = header.get("alg") if isinstance(header, dict) else None
    digest = HASHES.get(name if isinstance(name, str) else "", hashlib.sha256)
    return f"{message}.{encode(hmac.digest(secret.encode(), message.encode(), digest))}"


def claims(**changes: Any) -> dict[str, Any]:
    return {"exp": NOW.timestamp() + 60, "iss": "key-1", **changes}


def authenticate(authorization: str | None, leeway: float = 0) -> Grant:
    """The grant, asked for on a loop of its own."""
    loop = IOLoop(make_current=False)
    try:
        authenticator = Authenticator(Lookup(), SetClock(), leeway=leeway)
        grant: Grant = loop.run_sync(lambda: authenticator.authenticate(authorization))
        return grant
    finally:
        loop.close()


def refusal(authorization: str | None, leeway: float = 0) -> Reason:
    with pytest.raises(Unauthorized) as caught:
        authenticate(authorization, leeway)
    assert str(caught.value) == caught.value.reason.value
    return caught.value.reason


NOT_TRUE: list[Any] = [1, 1.0, "true", "True", [True], {}, None, False]
NOT_NUMBERS: list[Any] = [True, False, None, "1785585660", [1785585660], {}]


# --- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        'Token token="a-1.b_2.c"',
        "Token token=a-1.b_2.c",
        "Token a-1.b_2.c",
        "Bearer a-1.b_2.c",
        'Bearer token="a-1.b_2.c"',
        'TOKEN Token="a-1.b_2.c"',
        "bearer  a-1.b_2.c",
        'Token\ttoken="a-1.b_2.c"\t',
        'Token token="a-1.b_2.c", nonce="x"',
        'Token token="a-1.b_2.c",nonce=x;realm="a,\\"b" , ,q = 1',
        'Token token="a-1.b_2.c"\tnonce="x"',
        'Token token="a-1.b_2.c", mytoken="x"',
        "Token token=a-1.b_2.c;",
    ],
)
def test_finds_the_token(value: str) -> None:
    assert token_from_header(value) == "a-1.b_2.c"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Token",
        "Token ",
        "Token token=",
        'Token token=""',
        "a.b.c",
        "Basic a.b.c",
        "Tokena.b.c",
        'Token token="a.b.c',
        'Token token=a.b.c"',
        'Token token="a.b.c""',
        "Token a.b",
        "Token a.b.c.d",
        "Token .b.c",
        "Token a.b.c=",
        "Token a b.c",
        "Token a.b.c d",
        "Token a.b.ç",
        "Token a.b.c\n",
        "Token a.b.c, Token a.b.c",
        "Bearer a.b.c,Bearer a.b.c",
        'Token token="a.b.c", Token token="a.b.c"',
        'Token token="a.b.c", token="d.e.f"',
        'Token token="a.b.c"; TOKEN = d',
        'Token token="a.b.c", nonce',
        'Token token="a.b.c", nonce="x',
        'Token nonce="x", token="a.b.c"',
        "To\N{KELVIN SIGN}en a.b.c",
    ],
)
def test_refuses_every_other_header(value: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        token_from_header(value)
    assert caught.value.reason is Reason.MALFORMED


def test_bounds_the_header() -> None:
    assert token_from_header("Token a.b." + "c" * 8182) == "a.b." + "c" * 8182
    with pytest.raises(Unauthorized) as caught:
        token_from_header("Token a.b." + "c" * 8183)
    assert caught.value.reason is Reason.TOO_LARGE
    with pytest.raises(Unauthorized):
        token_from_header("Token a.b.c", max_bytes=10)


# --- tokens -----------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("issuer_id", "algorithm"), [("key-1", "HS256"), ("key-384", "HS384"), ("key-512", "HS512")])
def test_accepts_the_issuers_own_algorithm_alone(issuer_id: str, algorithm: str) -> None:
    for name in HASHES:
        authorization = "Token " + sign(claims(iss=issuer_id), {"alg": name})
        if name == algorithm:
            assert authenticate(authorization).issuer_id == issuer_id
        else:
            assert refusal(authorization) is Reason.WRONG_ALGORITHM


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


def test_ignores_keys_that_a_header_offers() -> None:
    header = {"alg": "HS256", "kid": "../../dev/null", "jku": "https://example.org/", "x5u": 1, "jwk": {"kty": "oct"}}
    assert authenticate("Token " + sign(claims(), header)).issuer_id == "key-1"


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
        ({"alg": "HS256", "b64": False}, Reason.MALFORMED),
        ({"alg": "HS256", "kid": 1}, Reason.MALFORMED),
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
    assert refusal("Token " + sign(claims(), secret=SECRET + "x")) is Reason.BAD_SIGNATURE
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
        ("weak", Reason.WEAK_SECRET),
        ("k" * 255, Reason.UNKNOWN_ISSUER),
    ],
)
def test_refuses_issuers(issuer_id: str, reason: Reason) -> None:
    assert refusal("Token " + sign(claims(iss=issuer_id))) is reason


def test_an_unknown_issuers_signature_is_checked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []
    original = jwt.algorithms.HMACAlgorithm.verify

    def verify(self: jwt.algorithms.HMACAlgorithm, msg: bytes, key: bytes, sig: bytes) -> bool:
        checked.append(key)
        return original(self, msg, key, sig)

    monkeypatch.setattr(jwt.algorithms.HMACAlgorithm, "verify", verify)
    for name in HASHES:
        assert refusal("Token " + sign(claims(iss="nobody"), {"alg": name})) is Reason.UNKNOWN_ISSUER
    assert refusal("Token " + sign(claims(), {"alg": "HS512"})) is Reason.WRONG_ALGORITHM
    assert len(checked) == 4
    assert SECRET.encode() not in checked


def test_no_header_is_no_token() -> None:
    assert refusal(None) is Reason.MISSING


def test_what_the_lookup_raises_passes_through(io_loop: IOLoop) -> None:
    async def broken(issuer_id: str) -> Issuer | None:
        raise ConnectionError(issuer_id)

    with pytest.raises(ConnectionError):
        io_loop.run_sync(lambda: Authenticator(broken, SetClock()).authenticate("Token " + sign(claims())))


# --- time -------------------------------------------------------------------------------------------------------------

T = NOW.timestamp()


@pytest.mark.parametrize(
    ("times", "leeway", "reason"),
    [
        ({"exp": T + 1}, 0, None),
        ({"exp": T + 0.5}, 0, None),
        ({"exp": int(T)}, 0, Reason.EXPIRED),
        ({"exp": T - 29}, 30, None),
        ({"exp": T - 30}, 30, Reason.EXPIRED),
        ({"exp": -1}, 0, Reason.EXPIRED),
        ({"exp": 2**63 - 1}, 30, None),
        ({"exp": 1e308}, 30, None),
        ({"exp": -1e308}, 30, Reason.EXPIRED),
        ({"nbf": T}, 0, None),
        ({"nbf": T + 1}, 0, Reason.NOT_YET_VALID),
        ({"nbf": T + 30}, 30, None),
        ({"nbf": T + 31}, 30, Reason.NOT_YET_VALID),
        ({"iat": T + 1000}, 0, None),
        *(({name: value}, 0, Reason.INVALID_TIME) for name in ("exp", "nbf", "iat") for value in NOT_NUMBERS),
    ],
)
def test_judges_time_by_the_clock(times: dict[str, Any], leeway: float, reason: Reason | None) -> None:
    authorization = "Token " + sign(claims(**times))
    if reason is None:
        assert authenticate(authorization, leeway).issuer_id == "key-1"
    else:
        assert refusal(authorization, leeway) is reason


def test_exp_is_needed_unless_the_issuer_says_otherwise() -> None:
    assert refusal("Token " + sign({"iss": "key-1"})) is Reason.MISSING_EXP
    assert authenticate("Token " + sign({"iss": "lax"})).issuer_id == "lax"
    assert refusal("Token " + sign(claims(iss="lax", exp=T - 1))) is Reason.EXPIRED
    assert refusal("Token " + sign(claims(iss="lax", exp=None))) is Reason.INVALID_TIME


def test_refuses_tokens_for_others() -> None:
    assert refusal("Token " + sign(claims(aud="https://other.example"))) is Reason.OTHER_AUDIENCE


# --- secrets and new tokens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("algorithm", "minimum"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash(algorithm: str, minimum: int) -> None:
    check_secret(Algorithm(algorithm), "s" * minimum)
    check_secret(Algorithm(algorithm), "ä" * (minimum // 2))
    with pytest.raises(ValueError, match=f"{minimum - 1} bytes; {algorithm} needs at least {minimum}"):
        check_secret(Algorithm(algorithm), "s" * (minimum - 1))


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
        check_secret(Algorithm.HS256, secret)
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


# --- every input ------------------------------------------------------------------------------------------------------

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
        {"alg": st.just("HS256") | JSON}, optional=dict.fromkeys(["typ", "crit", "kid", "b64"], JSON)
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


def test_every_reason_is_reached_by_a_test() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert {reason.name for reason in Reason} <= set(re.findall(r"Reason\.([A-Z_]+)", source))
