"""Query strings and forms, held to what Rack 3.2 reads (its ``spec_utils`` and ``spec_query_parser``)."""

from typing import Any

import pytest

from lading.service.api.params import (
    InvalidEncoding,
    ParameterConflict,
    ParametersTooDeep,
    ParamLimits,
    TooManyParameters,
    merge,
    parse_form,
    parse_query,
)
from lading.service.api.params.body import parse_body
from lading.service.errors.params import JsonSentAsForm, ParamsError

LIMITS = ParamLimits()

PLAIN: list[tuple[str, Any]] = [
    ("", {}),
    ("foo", {"foo": None}),
    ("foo=", {"foo": ""}),
    ("foo=bar", {"foo": "bar"}),
    ('foo="bar"', {"foo": '"bar"'}),
    ("foo=a=b", {"foo": "a=b"}),
    ("foo=1&foo=2", {"foo": "2"}),
    ("foo&foo=", {"foo": ""}),
    ("foo=&foo", {"foo": None}),
    ("=value", {}),
    ("=", {}),
    ("&&", {}),
    ("&foo=1&&bar=2&", {"foo": "1", "bar": "2"}),
    ("foo=1&  bar=2", {"foo": "1", "bar": "2"}),
    (" foo=1", {" foo": "1"}),
    ("foo=1;bar=2", {"foo": "1;bar=2"}),
    ("my+field=q1%212%22%27w%245%267%2Fz8%29%3F", {"my field": "q1!2\"'w$5&7/z8)?"}),
    ("pid%3D1234=1023", {"pid=1234": "1023"}),
    ("a%5Bb%5D=c", {"a": {"b": "c"}}),
    ("a[b%5D%5B%5D=c", {"a": {"b": ["c"]}}),
    ("a=%E3%81%BE", {"a": "ま"}),
    ("a=%00", {"a": "\0"}),
]

ARRAYS: list[tuple[str, Any]] = [
    ("foo[]", {"foo": [None]}),
    ("foo[]=", {"foo": [""]}),
    ("foo[]=1&foo[]=2", {"foo": ["1", "2"]}),
    ("foo[]=1&foo[]", {"foo": ["1", None]}),
    ("foo[]=1&foo", {"foo": None}),
    ("foo&foo[]=1", {"foo": ["1"]}),
    ("foo&foo[a]=1", {"foo": {"a": "1"}}),
    ("a[b][]=", {"a": {"b": [""]}}),
    ("a[][]=1", {"a": [["1"]]}),
    ("a[]=1&a[][]=2", {"a": ["1", ["2"]]}),
    ("a[][][]=1", {"a": [{"[]": ["1"]}]}),
    ("a[][][b]=1", {"a": [{"[]": {"b": "1"}}]}),
    ("x[][a]=1&x[][b]=2&x[][a]=3", {"x": [{"a": "1", "b": "2"}, {"a": "3"}]}),
    ("x[][a]=1&x[]=2&x[][b]=3", {"x": [{"a": "1"}, "2", {"b": "3"}]}),
    ("x[][a]=1&x[][]=2", {"x": [{"a": "1"}]}),
    ("x[][a]&x[][a][b]=2", {"x": [{"a": {"b": "2"}}]}),
]

NESTED: list[tuple[str, Any]] = [
    ("x[y][z]", {"x": {"y": {"z": None}}}),
    ("x[y][z]=1&x[y][z]=2", {"x": {"y": {"z": "2"}}}),
    ("x[y][z][]=1&x[y][z][]=2", {"x": {"y": {"z": ["1", "2"]}}}),
    ("x[y][][z]=1", {"x": {"y": [{"z": "1"}]}}),
    ("x[y][][z][]=1", {"x": {"y": [{"z": ["1"]}]}}),
    ("x[y][][z]=1&x[y][][w]=2", {"x": {"y": [{"z": "1", "w": "2"}]}}),
    ("x[y][][v][w]=1", {"x": {"y": [{"v": {"w": "1"}}]}}),
    ("x[y][][z]=1&x[y][][v][w]=2", {"x": {"y": [{"z": "1", "v": {"w": "2"}}]}}),
    ("x[y][][z]=1&x[y][][z]=2", {"x": {"y": [{"z": "1"}, {"z": "2"}]}}),
    (
        "x[][y]=1&x[][z][w]=a&x[][y]=2&x[][z][w]=b",
        {"x": [{"y": "1", "z": {"w": "a"}}, {"y": "2", "z": {"w": "b"}}]},
    ),
    ("d[b][][d][p]=1&d[b][][d][p]=2", {"d": {"b": [{"d": {"p": "1"}}, {"d": {"p": "2"}}]}}),
    ("x[][y][][z]=1&x[][y][][w]=2", {"x": [{"y": [{"z": "1", "w": "2"}]}]}),
    (
        "x[][id]=1&x[][y][a]=5&x[][y][b]=7&x[][id]=2&x[][y][a]=6",
        {"x": [{"id": "1", "y": {"a": "5", "b": "7"}}, {"id": "2", "y": {"a": "6"}}]},
    ),
]

STRAY_BRACKETS: list[tuple[str, Any]] = [
    ("[]=1", {"[]": "1"}),
    ("[foo]=1", {"[foo]": "1"}),
    ("[foo][bar]=1", {"[foo]": {"bar": "1"}}),
    ("a[=1", {"a[": "1"}),
    ("a]=1", {"a]": "1"}),
    ("a[b=1", {"a": {"[b": "1"}}),
    ("a[b]c=1", {"a": {"b": {"c": "1"}}}),
    ("a[b][=1", {"a": {"[b][": "1"}}),
    ("foo[]=1&foo[=2", {"foo": ["1"], "foo[": "2"}),
    ("d[[]=5", {"d": {"[": "5"}}),
    ("e][]=6", {"e]": ["6"]}),
    ("f[[]]=7", {"f": {"[": {"]": "7"}}}),
    ("j[k]l[m]=9", {"j": {"k": {"l[m]": "9"}}}),
    ("l[[[[[[[[]]]]]]]=10", {"l": {"[[[[[[[": {"]]]]]]": "10"}}}),
]


@pytest.mark.parametrize(("query", "expected"), PLAIN + ARRAYS + NESTED + STRAY_BRACKETS)
def test_reads_names_as_rack_does(query: str, expected: dict[str, Any]) -> None:
    assert parse_query(query, LIMITS) == expected
    assert parse_form(query.encode(), LIMITS) == expected


def test_keeps_the_order_of_first_appearance() -> None:
    params = parse_form(b"z=1&m[b]=2&a=3&m[a]=4&z=5", LIMITS)
    assert list(params.items()) == [("z", "5"), ("m", {"b": "2", "a": "4"}), ("a", "3")]
    assert list(params["m"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("a=1&a[b]=2", "a[b]"),
        ("a=1&a[]=2", "a[]"),
        ("a=&a[b]=2", "a[b]"),
        ("a[]=1&a[b]=2", "a[b]"),
        ("a[b]=1&a[]=2", "a[]"),
        ("x[y]=1&x[y]z=2", "x[y]z"),
        ("x[y]=1&x[y][][w]=2", "x[y][][w]"),
        ("x[][a]=bcd&x[][a][b]=2", "x[][a][b]"),
    ],
)
def test_refuses_a_parameter_of_two_kinds(query: str, parameter: str) -> None:
    with pytest.raises(ParameterConflict) as caught:
        parse_query(query, LIMITS)
    assert caught.value.code == "params_conflict"
    assert caught.value.parameter == parameter
    assert f"'{parameter}'" in caught.value.detail


@pytest.mark.parametrize("pair", ["%", "a=%", "a=%4", "a=%zz", "%g0=1", "a=%81", "a%81=1", "a=%C0%AF", "a=%ED%A0%80"])
def test_refuses_bad_escapes_and_what_is_not_utf8(pair: str) -> None:
    with pytest.raises(InvalidEncoding) as caught:
        parse_query(pair, LIMITS)
    assert caught.value.code == "params_invalid_encoding"
    assert caught.value.parameter == pair.partition("=")[0]


def test_reads_a_str_as_latin1_octets() -> None:
    assert parse_query("a=ä".encode().decode("latin-1"), LIMITS) == {"a": "ä"}
    with pytest.raises(InvalidEncoding):
        parse_query("a=\xe4", LIMITS)
    with pytest.raises(InvalidEncoding):
        parse_query("a=ま", LIMITS)


def test_drops_one_nul_at_the_end_of_a_form_only() -> None:
    assert parse_form(b"a=1\0", LIMITS) == {"a": "1"}
    assert parse_form(b"a=1\0\0", LIMITS) == {"a": "1\0"}
    assert parse_query(b"a=1\0", LIMITS) == {"a": "1\0"}


def test_bounds_the_depth_as_rack_does() -> None:
    nested: Any = "1"
    for _ in range(31):
        nested = {"a": nested}
    assert parse_query("foo" + "[a]" * 31 + "=1", LIMITS) == {"foo": nested}
    with pytest.raises(ParametersTooDeep) as caught:
        parse_query("foo" + "[a]" * 32 + "=1", LIMITS)
    assert caught.value.code == "params_too_deep"
    with pytest.raises(ParametersTooDeep):
        parse_query("a" + "[]" * 100_000, LIMITS)
    with pytest.raises(ParametersTooDeep):
        parse_query("a[b]=1", ParamLimits(depth=1))


def test_bounds_the_number_of_pairs() -> None:
    limits = ParamLimits(pairs=3)
    assert parse_query("a&b&c", limits) == {"a": None, "b": None, "c": None}
    for query in ("a&b&c&d", "a&b&c&", "&&&"):
        with pytest.raises(TooManyParameters) as caught:
            parse_query(query, limits)
        assert caught.value.code == "params_too_many"


def test_reads_the_most_pairs_into_one_array() -> None:
    assert parse_form(b"&".join([b"x[][k]=v"] * 4096), LIMITS) == {"x": [{"k": "v"}] * 4096}


def test_shows_a_name_shortened_and_escaped_but_never_a_value() -> None:
    name = "a\r\n\N{RIGHT-TO-LEFT OVERRIDE}" + "b" * 500
    query = f"{name}=1&{name}[x]=secret".encode()
    with pytest.raises(ParamsError) as caught:
        parse_query(query, LIMITS)
    assert caught.value.parameter == r"a\r\n\u202e" + "b" * 96 + "…"
    assert "secret" not in caught.value.detail + str(caught.value)


@pytest.mark.parametrize("bad", [{"depth": 0}, {"depth": 101}, {"pairs": 0}])
def test_refuses_senseless_limits(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ParamLimits(**bad)


def test_merges_the_query_over_the_body_in_the_bodys_order() -> None:
    body = {"a": "1", "m": {"x": "1"}, "z": "3"}
    query = {"new": "9", "m": {"y": "2"}, "a": None}
    assert list(merge(query, body).items()) == [("a", None), ("m", {"y": "2"}), ("z", "3"), ("new", "9")]
    assert body == {"a": "1", "m": {"x": "1"}, "z": "3"}


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("content_type", ["", FORM, f"{FORM}; charset=UTF-8"])
@pytest.mark.parametrize(
    "body",
    [
        '{"url": "http://h/a.jpg"}',
        '{"url": "http://h/a.jpg?b=c&d=e", "metadata": {"a": "50%"}}',
        ' \r\n{\n  "url": "http://h/a.jpg"\n}\n',
        '\ufeff{"url": "http://h/a.jpg"}',
        '{"url": "http://h/é+ü.jpg"}',
        '{"url": "http://h/a.jpg",}',  # a slip in the JSON
        "{}",
        "%7B%22url%22%3A%20%22http%3A%2F%2Fh%2Fa.jpg%3Fb%3Dc%26d%3De%22%7D",
        "+%7b%22url%22:+%22http://h/%22%7d",
        "%7B%22url%22%3A%22http%3A%2F%2Fh%2F%22%7D=",
    ],
)
def test_json_that_is_sent_as_a_form_is_refused_with_the_type_to_send(body: str, content_type: str) -> None:
    with pytest.raises(JsonSentAsForm, match="Content-Type: application/json") as caught:
        parse_body(body.encode(), content_type, "", LIMITS)
    assert (caught.value.code, caught.value.status) == ("json_sent_as_form", 415)


@pytest.mark.parametrize(
    ("body", "params"),
    [
        ("album_id=a&metadata={}", {"album_id": "a", "metadata": "{}"}),
        ('json={"url": "http://h/"}', {"json": '{"url": "http://h/"}'}),
        ("{a}=1", {"{a}": "1"}),
        ("{a}", {"{a}": None}),
        ('{"a"}=1', {'{"a"}': "1"}),
        ("{a=1&b=2}", {"{a": "1", "b": "2}"}),
        ("%7B%22a%22%7D=1", {'{"a"}': "1"}),
        ("%7B%22a%22%3A1%7D&b=1", {'{"a":1}': None, "b": "1"}),
        ("[]", {"[]": None}),
        ("a=%7B%22b%22%3A1%7D", {"a": '{"b":1}'}),
    ],
)
def test_forms_that_hold_braces_stay_forms(body: str, params: dict[str, Any]) -> None:
    assert parse_body(body.encode(), FORM, "", LIMITS) == params
    assert parse_form(body.encode(), LIMITS) == params
