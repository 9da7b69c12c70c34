"""The items of a batch: the same however its body is cut, and one that is wrong fails alone."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.api.params import ParamLimits
from lading.service.api.params.items import MAX_ITEM_BYTES, ArrayReader, CsvReader, ItemReader, LineReader
from lading.service.imports.batches.items import Item

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=4), max_size=6)


def read(reader: type[ItemReader], body: bytes, cuts: Sequence[int] = ()) -> list[Item]:
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    made = reader(ParamLimits())
    items = [item for low, high in itertools.pairwise(places) for item in made.feed(body[low:high])]
    return [*items, *made.end()]


def told(items: Sequence[Item]) -> list[Any]:
    return [(item.number, item.params if item.error is None else item.error.code) for item in items]


CUTS = st.lists(st.integers(0, 400), max_size=20)


@given(OBJECTS, CUTS, st.sampled_from([None, 1]))
def test_an_array_is_read_however_it_is_cut(objects: list[dict[str, Any]], cuts: list[int], indent: int | None) -> None:
    body = json.dumps(objects, ensure_ascii=False, indent=indent).encode()
    assert told(read(ArrayReader, body, cuts)) == list(enumerate(objects, 1))


@given(OBJECTS, CUTS, st.sampled_from([b"\n", b"\r\n", b"\n\n"]))
def test_lines_are_read_however_they_are_cut(objects: list[dict[str, Any]], cuts: list[int], end: bytes) -> None:
    body = end.join(json.dumps(one).encode() for one in objects)
    items = read(LineReader, body, cuts)
    assert [item.params for item in items] == objects
    if end != b"\n\n":
        assert [item.number for item in items] == list(range(1, len(objects) + 1))


@given(st.binary(max_size=300), CUTS, st.sampled_from([ArrayReader, LineReader, CsvReader]))
def test_whatever_comes_is_told_the_same_way(body: bytes, cuts: list[int], reader: type[ItemReader]) -> None:
    assert told(read(reader, body, cuts)) == told(read(reader, body))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[]", []),
        (b" [ ] \n", []),
        (b"", [(1, "json_invalid")]),
        (b"{}", [(1, "json_invalid")]),
        (b"[{}", [(1, "json_invalid")]),
        (b"[{}] x", [(1, {}), (2, "json_invalid")]),
        (b"[{},]", [(1, {}), (2, "json_invalid")]),
        (b"[{} {}, {}]", [(1, "json_invalid"), (2, {})]),
        (b"[1, {}]", [(1, "json_not_an_object"), (2, {})]),
        (b'[{"a":1,"a":2}, {"b":"]}\\"["}]', [(1, "json_duplicate_key"), (2, {"b": ']}"['})]),
        (b"[}]", [(1, "json_invalid")]),
        (b'["' + b"x" * MAX_ITEM_BYTES + b'", {}]', [(1, "item_too_large"), (2, {})]),
    ],
)
def test_arrays(body: bytes, expected: list[Any]) -> None:
    assert told(read(ArrayReader, body)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", []),
        (b'{"a":1}', [(1, {"a": 1})]),
        (
            b'{"a":1}\n\nno\n[]\n{"b":2}\n',
            [(1, {"a": 1}), (3, "json_invalid"), (4, "json_not_an_object"), (5, {"b": 2})],
        ),
        (b'{"a":"' + b"x" * MAX_ITEM_BYTES + b'"}\n{}', [(1, "item_too_large"), (2, {})]),
        (b"\xff\n{}", [(1, "params_invalid_encoding"), (2, {})]),
    ],
)
def test_lines(body: bytes, expected: list[Any]) -> None:
    assert told(read(LineReader, body)) == expected


URL = "http://origin.example/a.jpg"
ONE = {"album_id": "one", "url": URL}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"one;{URL}", {"album_id": "one", "url": URL}),
        (f"one;{URL};;", {"album_id": "one", "url": URL}),
        (
            f'one;{URL};a, b,;{{"k":"v;w"}}',
            {"album_id": "one", "url": URL, "tags": ["a", "b"], "metadata": {"k": "v;w"}},
        ),
        (f'"o;""ne";"{URL}";"a";"{{""k"":1}}"', {"album_id": 'o;"ne', "url": URL, "tags": ["a"], "metadata": {"k": 1}}),
        (f";{URL}", {"url": URL}),
        ('"one', "csv_invalid"),
        ('"one"x;y', "csv_invalid"),
        (f'one;{URL};a;"{{}}";more', "csv_invalid"),
        (";;;", "csv_invalid"),
        (f"one,{URL},a", "csv_invalid"),
        (f"one\t{URL}", "csv_invalid"),
        ("one;", {"album_id": "one"}),
        (f"one;{URL};a;no json", "json_invalid"),
    ],
)
def test_values(line: str, expected: Any) -> None:
    body = f"album_id;url;tags;metadata\n{line}\n".encode()
    assert told(read(CsvReader, body)) == [(2, expected)]
    assert told(read(CsvReader, b"\xef\xbb\xbf" + line.encode())) == [(1, expected)]
