"""What an import reads from its parameters."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.models.samples import make_import


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://a/", "http://a/"),
        (["http://a/", "http://b/"], "http://a/"),
        ("", None),
        (None, None),
        ([], None),
        ([{}, ""], None),
        ({"a": "b"}, None),
        (1, None),
    ],
)
def test_url_is_a_string_that_is_not_empty(value: object, url: str | None) -> None:
    assert make_import(url=value).url == url


@pytest.mark.parametrize(("value", "album_id"), [("a", "a"), ("", ""), (None, None), (["a"], None), ({}, None)])
def test_album_id_is_a_string(value: object, album_id: str | None) -> None:
    assert make_import(album_id=value).album_id == album_id


@pytest.mark.parametrize(("value", "filename"), [("../a", "../a"), ("", None), (None, None), ([], None), (1, None)])
def test_filename_is_a_string_that_is_not_empty(value: object, filename: str | None) -> None:
    assert make_import(filename=value).filename == filename


@pytest.mark.parametrize(
    ("value", "headers"), [({"Accept": "image/*"}, {"Accept": "image/*"}), ("a: b", {}), (["a"], {}), (None, {})]
)
def test_headers_are_a_mapping(value: object, headers: dict[str, str]) -> None:
    assert make_import(headers=value).headers == headers


@pytest.mark.parametrize(
    ("params", "metadata"),
    [({}, None), ({"metadata": {"a": 1}}, {"a": 1}), ({"metadatas": {"b": 1}}, {"b": 1}), ({"metadata": None}, None)],
)
def test_metadata_has_two_names(params: dict[str, Any], metadata: Any) -> None:
    assert make_import(**params).metadata == metadata


def test_where_nothing_was_sent() -> None:
    document = make_import()
    assert (document.url, document.album_id, document.filename, document.headers) == (None, None, None, {})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(params=st.dictionaries(st.sampled_from(["url", "album_id", "filename", "headers"]) | st.text(), json_values))
def test_no_parameters_break_a_property(params: dict[str, Any]) -> None:
    document = replace(make_import(), params=params)
    for text in (document.url, document.album_id, document.filename):
        assert text is None or isinstance(text, str)
    assert isinstance(document.headers, dict)
