"""JSON bodies."""

import json
from typing import Any

import pytest

from lading.service.api.params import (
    InvalidEncoding,
    JsonDuplicateKey,
    JsonInvalid,
    JsonNotAnObject,
    JsonNumberInvalid,
    ParametersTooDeep,
    ParamLimits,
    TooManyParameters,
    parse_json,
)

LIMITS = ParamLimits()


def test_reads_values_as_sent_and_in_order() -> None:
    text = (
        '{"z": [null, [null]], "a": {"t": true, "f": false, "i": -5, "x": 1.5}, "": "\\u00e4\\ud83d\\ude00", "e": []}'
    )
    params = parse_json(text.encode(), LIMITS)
    assert params == {"z": [None, [None]], "a": {"t": True, "f": False, "i": -5, "x": 1.5}, "": "ä😀", "e": []}
    assert list(params) == ["z", "a", "", "e"]


def test_an_empty_body_has_no_parameters() -> None:
    assert parse_json(b"", LIMITS) == {}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b" ", "line 1, column 2"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": "\n"}', "line 1, column 8"),
        (b'{"a": "\\x"}', "line 1, column 8"),
        (b'{"a": 01}', "line 1, column 8"),
        (b'{"a": 1} {}', "line 1, column 10"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
    ],
)
def test_says_where_a_body_is_not_json(body: bytes, place: str) -> None:
    with pytest.raises(JsonInvalid) as caught:
        parse_json(body, LIMITS)
    assert caught.value.code == "json_invalid"
    assert place in caught.value.detail


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"a"', b"NaN"])
def test_refuses_a_root_that_is_no_object(body: bytes) -> None:
    with pytest.raises(JsonNotAnObject) as caught:
        parse_json(body, LIMITS)
    assert caught.value.code == "json_not_an_object"


def test_refuses_duplicate_keys_at_any_depth() -> None:
    with pytest.raises(JsonDuplicateKey) as caught:
        parse_json(b'{"a": [{"b": 1, "c": 2, "\\u0062": 3}]}', LIMITS)
    assert caught.value.code == "json_duplicate_key"
    assert caught.value.parameter == "b"


@pytest.mark.parametrize("number", [str(2**63 - 1), str(-(2**63)), "1.7976931348623157e308", "-0", "1E-400"])
def test_reads_the_largest_numbers(number: str) -> None:
    assert parse_json(b'{"n": %s}' % number.encode(), LIMITS) == {"n": json.loads(number)}


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", str(2**63), str(-(2**63) - 1), "9" * 5000, "9" * 5000 + ".5"],
)
def test_refuses_numbers_out_of_range(number: str) -> None:
    with pytest.raises(JsonNumberInvalid) as caught:
        parse_json(b'{"m": {"n": [0, %s]}}' % number.encode(), LIMITS)
    assert caught.value.code == "json_number_invalid"
    assert caught.value.parameter == "m[n][1]"
    assert number not in caught.value.detail


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        (b'{"a": "\xff"}', None),
        ('{"a": 1}'.encode("utf-16"), None),
        (b'{"a": {"b": "\\ud800"}}', "a[b]"),
        (b'{"a": "\\ude00\\ud83d"}', "a"),
        (b'{"\\ud800": 1}', r"\ud800"),
    ],
)
def test_refuses_what_is_not_utf8(body: bytes, parameter: str | None) -> None:
    with pytest.raises(InvalidEncoding) as caught:
        parse_json(body, LIMITS)
    assert caught.value.parameter == parameter


def nested(depth: int, opening: str, closing: str) -> bytes:
    return ('{"a": ' + opening * (depth - 1) + closing * (depth - 1) + "}").encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"k": ', "0}")])
def test_bounds_the_depth(opening: str, closing: str) -> None:
    body = nested(32, "[", "]")
    assert parse_json(body, LIMITS) == json.loads(body)
    for depth in (33, 100_000):
        with pytest.raises(ParametersTooDeep) as caught:
            parse_json(nested(depth, opening, closing), LIMITS)
        assert caught.value.code == "params_too_deep"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b'"' + b"\\" * 100_001 + b"[" * 100_000])
def test_survives_what_only_begins_deeply(body: bytes) -> None:
    with pytest.raises((ParametersTooDeep, JsonInvalid)):
        parse_json(body, LIMITS)


def test_brackets_in_strings_are_not_depth() -> None:
    params = {'"[{': "[{" * 100, "b": '\\"[' * 100, "c": "\\"}
    assert parse_json(json.dumps(params).encode(), LIMITS) == params


@pytest.mark.parametrize("body", [b'{"a": [1, 2, 3]}', b'{"a": 1, "b": 2, "c": {"d": 3}}'])
def test_bounds_members_and_elements(body: bytes) -> None:
    assert parse_json(body, ParamLimits(pairs=4)) == json.loads(body)
    with pytest.raises(TooManyParameters):
        parse_json(body, ParamLimits(pairs=3))


def test_a_long_name_is_cut_in_an_error() -> None:
    body: dict[str, Any] = {"k" * 5000: {"l" * 5000: float("nan")}}
    with pytest.raises(JsonNumberInvalid) as caught:
        parse_json(json.dumps(body).encode(), LIMITS)
    assert caught.value.parameter == "k" * 100 + "…"
