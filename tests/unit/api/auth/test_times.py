"""``exp``, ``nbf``, ``iat`` and ``aud``."""

from typing import Any

import pytest

from lading.service.models.grants import Reason
from tests.support.tokens import NOW, authenticate, claims, refusal, sign

NOT_NUMBERS: list[Any] = [True, False, None, "1785585660", [1785585660], {}]

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


@pytest.mark.parametrize(("token", "expected"), [(claims(exp=T + 10), T + 40), ({"iss": "lax"}, None)])
def test_a_grant_lasts_as_long_as_its_token_is_accepted(token: dict[str, Any], expected: float | None) -> None:
    assert authenticate("Token " + sign(token), 30).expires_at == expected
