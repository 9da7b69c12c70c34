"""The token in an ``Authorization`` header."""

import pytest

from lading.service.api.auth import token_from_header
from lading.service.models.grants import Reason, Unauthorized


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
