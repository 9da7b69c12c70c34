"""What holds for every input."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lading.service.api.params import (
    ParamLimits,
    json_body,
    nested,
    parse_form,
    parse_json,
    parse_multipart,
    parse_query,
)
from lading.service.errors.params import JsonNotAnObject, ParametersTooDeep, ParamsError

# A loaded machine must not fail a test.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
LIMITS = ParamLimits(depth=4, pairs=6)
FORM_BYTES = st.lists(st.sampled_from([b"a", b"b", b"[", b"]", b"[]", b"[a]", b"&", b"=", b"%", b"%5B", b"+", b"\xff"]))
JSON_BYTES = st.lists(
    st.sampled_from([b"{", b"}", b"[", b"]", b'"', b'"a"', b":", b",", b"1", b"-", b"e9", b"\\", b"ud8", b"NaN", b" "])
)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


PART_BYTES = st.lists(
    st.sampled_from([b"--x", b"--", b"\r\n", b"\n", b'"', b"\xff", b"v", b'; name="a[b]"', b"; filename="])
    | st.sampled_from([b"Content-Disposition: form-data", b"Content-Length: 1", b"Content-Type: a/b; charset="])
)


def attempt(parse: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What is parsed, or None where it is refused; every other exception passes through."""
    try:
        return parse()
    except ParamsError as error:
        refusal = error
    assert refusal.status in (400, 422)
    assert refusal.detail.isprintable()
    assert len(refusal.detail) < 2500
    return None


def outcome(parsed: dict[str, Any]) -> tuple[int, int]:
    """The number of values that are no container, and the depth of the containers."""
    leaves = depth = 0
    waiting: list[tuple[Any, int]] = [(parsed, 1)]
    while waiting:
        value, level = waiting.pop()
        if isinstance(value, dict | list):
            depth = max(depth, level)
            waiting.extend((child, level + 1) for child in (value.values() if isinstance(value, dict) else value))
        else:
            leaves += 1
            assert value is None or type(value) in (str, int, float, bool)
    return leaves, depth


@PATIENT
@given(st.binary() | FORM_BYTES.map(b"".join))
@example(b"a" + b"[]" * 1000)
def test_forms_are_read_within_bounds_or_refused(text: bytes) -> None:
    parsed = attempt(lambda: parse_query(text, LIMITS))
    assert parsed == attempt(lambda: parse_query(text.decode("latin-1"), LIMITS))
    if parsed is not None:
        leaves, depth = outcome(parsed)
        assert leaves <= LIMITS.pairs
        assert depth <= 2 * LIMITS.depth + 1


@PATIENT
@given(st.text())
def test_a_str_of_anything_is_read_or_refused(query: str) -> None:
    attempt(lambda: parse_query(query, LIMITS))


@PATIENT
@given(st.binary() | JSON_BYTES.map(b"".join))
@example(b"[" * 100_000)
def test_json_is_read_within_bounds_or_refused(body: bytes) -> None:
    parsed = attempt(lambda: parse_json(body, LIMITS))
    if parsed is not None:
        leaves, depth = outcome(parsed)
        assert leaves <= LIMITS.pairs
        assert depth <= LIMITS.depth


@PATIENT
@given(st.binary() | PART_BYTES.map(b"".join), st.just("multipart/form-data; boundary=x") | st.text())
def test_multipart_is_read_within_bounds_or_refused(body: bytes, content_type: str) -> None:
    parsed = attempt(lambda: parse_multipart(body, content_type, LIMITS))
    if parsed is not None:
        assert outcome(parsed)[0] <= LIMITS.pairs


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALAR = st.none() | TEXT
KEY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="[]"), min_size=1)


def containers(child: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects, arrays of values, and arrays of objects that all begin with one key, by which Rack tells them apart."""
    element = st.builds(lambda mark, rest: {"id": mark, **rest}, TEXT, st.dictionaries(KEY, child, max_size=3))
    return (
        st.dictionaries(KEY, child, min_size=1, max_size=3)
        | st.lists(SCALAR, min_size=1, max_size=3)
        | st.lists(element.filter(lambda value: isinstance(value["id"], str)), min_size=1, max_size=3)
    )


def pairs(name: str, value: Any) -> Iterator[tuple[str, str | None]]:
    """The pairs that stand for a value, named as by Rack's ``build_nested_query``."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from pairs(f"{name}[{key}]", member)
    elif isinstance(value, list):
        for element in value:
            yield from pairs(f"{name}[]", element)
    else:
        yield name, value


@PATIENT
@given(st.dictionaries(KEY, st.recursive(SCALAR, containers, max_leaves=12)))
def test_what_rack_would_send_is_read_back(params: dict[str, Any]) -> None:
    sent = [pair for key, value in params.items() for pair in pairs(key, value)]
    form = "&".join(quote_plus(name) + ("" if value is None else "=" + quote_plus(value)) for name, value in sent)
    parsed = parse_form(form.encode(), ParamLimits())
    assert parsed == params
    assert json.dumps(parsed) == json.dumps(params), "in another order"


@PATIENT
@given(st.dictionaries(TEXT, st.recursive(SCALAR | st.booleans() | st.integers(-(2**63), 2**63 - 1), containers)))
def test_what_json_says_is_read_back(params: dict[str, Any]) -> None:
    for text in (json.dumps(params), json.dumps(params, ensure_ascii=False)):
        assert json.dumps(parse_json(text.encode(), ParamLimits())) == json.dumps(params)


@pytest.mark.parametrize("pair", [b"x[][k]=v", b"a" + b"[b]" * 31, b"a" + b"[]" * 31])
def test_4096_hostile_pairs_are_read(pair: bytes) -> None:
    assert outcome(parse_form(b"&".join([pair] * 4096), ParamLimits()))[0] <= 4096


def refused_or_read(parse: Callable[[], Any]) -> Any:
    """The result, or the refusal as its client sees it."""
    try:
        return repr(parse())
    except ParamsError as error:
        return type(error), error.detail, error.parameter


def read_thoroughly(text: str) -> Any:
    try:
        root = json_body._DECODER.decode(text)
    except json.JSONDecodeError:
        return None
    if isinstance(root, dict):
        json_body._check_values(root, LIMITS.pairs)
    return root


@PATIENT
@given(JSON_BYTES.map(b"".join) | st.dictionaries(st.text(max_size=2), st.floats() | st.integers()).map(encoded))
@example(b'{"a": 1e999}')
@example(b'{"a": [-Infinity, "b"], "a": 1}')
@example(b'{"a": 99999999999999999999, "b"}')
@example(b'{"a": "\\ud800"}')
@example(b'{"a": [1,2,3,4,5,6,7]}')
@example(b'{"a": ",,,,,,,"} ')
def test_json_that_is_surely_sound_is_read_as_if_each_value_were_checked(body: bytes) -> None:
    text = body.decode()
    if (expected := refused_or_read(lambda: read_thoroughly(text))) != repr(None) and text.count("[") < LIMITS.depth:
        found = refused_or_read(lambda: parse_json(body, LIMITS))
        assert found == expected or (isinstance(found, tuple) and found[0] in (JsonNotAnObject, ParametersTooDeep))


_NAMES = st.lists(st.sampled_from(["a", "b", "[", "]", "[a]", "[]"]), max_size=4).map("".join)


@PATIENT
@given(st.lists(st.tuples(_NAMES, st.none() | st.just("1")), max_size=4))
@example([("a", None), ("a[b]", "1"), ("a[c]", "2")])
@example([("a", "1"), ("a[b]", "1")])
def test_simple_names_are_stored_as_all_names_are(pairs: list[tuple[str, str | None]]) -> None:
    def stored(how: Callable[[dict[str, Any], str, str | None], object]) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for name, value in pairs:
            how(params, name, value)
        return params

    def slowly(params: dict[str, Any], name: str, value: str | None) -> object:
        return nested._store(params, name, nested._Pair(name, value, LIMITS.depth), 0)

    assert refused_or_read(
        lambda: stored(lambda params, name, value: nested.store(params, name, value, LIMITS))
    ) == refused_or_read(lambda: stored(slowly))
