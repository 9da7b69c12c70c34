"""Compact JSON has the bytes of ``json.dumps``, for values of every kind."""

import json
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lading.service.models.compact import compact

_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=4), some, max_size=4),
    max_leaves=12,
)


class Kind(StrEnum):
    ONE = 'o"ne'


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(_VALUES)
@example({"a": 1e16, "b": -0.0, "c": 10**30, "\u2028</script>": ["é", "\x00\x1f\x7f\ud800", '\\"/']})
@example("alone")
@example((1, Kind.ONE, {Kind.ONE: ()}))
def test_it_has_the_bytes_of_the_standard_library(value: Any) -> None:
    assert compact()(value) == dumped(value)


def test_other_values_are_made_json_or_refused() -> None:
    assert compact(default=dict)([MappingProxyType({"a": MappingProxyType({})})]) == '[{"a":{}}]'
    with pytest.raises(TypeError, match="a set is no JSON"):
        compact()({"a": {1}})


def test_a_failure_leaves_nothing_behind() -> None:
    write, value = compact(allow_nan=False), {"a": [float("nan")]}
    for _ in range(2):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write(value)
    value["a"] = [1.0]
    assert write(value) == '{"a":[1.0]}'


def test_another_interpreter_has_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.encoder.c_make_encoder", None)
    value = {"é": [1, 1.5, None, "\x01"], "b": {}}
    assert compact()(value) == dumped(value)
