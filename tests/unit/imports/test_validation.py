"""What the parameters of an import may be."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.errors.catalogue import ApiError
from lading.service.imports.validation import ParamRules, validate

RULES = ParamRules(
    metadata_max_bytes=20, filename_max_bytes=8, album_id_max_bytes=6, import_types=frozenset({"url", "data"})
)


def refused(params: dict[str, Any]) -> tuple[str | None, str]:
    with pytest.raises(ApiError) as caught:
        validate(params, RULES)
    assert (caught.value.code, caught.value.status) == ("parameter_invalid", 422)
    return caught.value.parameter, caught.value.detail


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"album_id": "a", "filename": "12345678", "url": "x", "import_type": "url", "metadata": {}, "headers": {}},
        dict.fromkeys(("album_id", "filename", "url", "import_type", "metadata", "metadatas", "headers")),
        {"album_id": "", "filename": "", "import_type": ""},
        {"metadata": {"a": "x" * 12}},
        {"headers": {"Referer": "x", "": ""}},
        {"unknown": ["anything", {"goes": [None, 1.5, True]}]},
        {"filename": "\u00e9" * 4},
    ],
)
def test_good_parameters_pass(params: dict[str, Any]) -> None:
    before = json.dumps(params)
    validate(params, RULES)
    assert json.dumps(params) == before


@pytest.mark.parametrize("value", [0, False, 1.5, {}, {"a": "b"}])
def test_a_url_is_a_string_or_several(value: Any) -> None:
    validate({"url": ["a", "b"]}, RULES)
    assert refused({"url": value}) == ("url", "The parameter 'url' must be a string.")
    for empty in ("", " ", "\r\n"):
        assert (
            refused({"url": empty})[1] == "The parameter 'url' is empty; leave it out if you send the image yourself."
        )
    for several in ([], [""], ["a", " "], [1], ["a"] * 9):
        parameter, detail = refused({"url": several})
        assert (parameter, "a list of 1 to 8 non-empty strings" in detail) == ("url", True)


@pytest.mark.parametrize("name", ["album_id", "filename", "import_type"])
@pytest.mark.parametrize("value", [0, False, 1.5, [], ["a"], {}, {"a": "b"}])
def test_a_name_is_a_string(name: str, value: Any) -> None:
    assert refused({name: value}) == (name, f"The parameter '{name}' must be a string.")


@pytest.mark.parametrize("name", ["metadata", "metadatas", "headers"])
@pytest.mark.parametrize("value", ["", "a", 0, False, [], ["a"]])
def test_an_object_is_an_object(name: str, value: Any) -> None:
    assert refused({name: value}) == (name, f"The parameter '{name}' must be an object.")


@pytest.mark.parametrize("name", ["metadata", "metadatas"])
def test_metadata_has_a_limit_in_bytes_of_compact_json(name: str) -> None:
    just = {"a": "x" * 12}
    assert len(json.dumps(just, separators=(",", ":"))) == 20
    validate({name: just}, RULES)
    assert refused({name: {"a": "x" * 13}}) == (name, f"The parameter '{name}' is larger than 20 bytes.")
    assert refused({name: {"a": "\u00e9" * 7}})[0] == name, "bytes, not characters"
    validate({name: {"a": "\u00e9" * 6}}, RULES)


@pytest.mark.parametrize("filename", ["123456789", "\u00e9" * 5, "\U0001f40c" * 3])
def test_a_filename_has_a_limit_in_bytes(filename: str) -> None:
    assert refused({"filename": filename}) == ("filename", "The parameter 'filename' is longer than 8 bytes.")


@pytest.mark.parametrize("album_id", ["1234567", "\u00e9" * 4])
def test_an_album_id_has_a_limit_in_bytes(album_id: str) -> None:
    assert refused({"album_id": album_id}) == ("album_id", "The parameter 'album_id' is longer than 6 bytes.")
    validate({"album_id": "\u00e9" * 3}, RULES)


def test_an_unknown_import_type_is_refused_with_those_that_there_are() -> None:
    detail = "The parameter 'import_type' must be one of data, url."
    assert refused({"import_type": "upload"}) == ("import_type", detail)
    assert refused({"import_type": "URL"})[0] == "import_type"


@pytest.mark.parametrize("value", [None, 1, True, [], {"a": "b"}])
def test_header_values_are_strings(value: Any) -> None:
    assert refused({"headers": {"Good": "x", "Bad": value}}) == (
        "headers",
        "The parameter 'headers' must have strings as its values.",
    )


def test_no_value_is_repeated_in_the_refusal() -> None:
    for params in ({"headers": {"Authorization": ["hush"]}}, {"metadata": "hush"}, {"filename": "hush hush hush"}):
        assert "hush" not in refused(params)[1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def refusal(params: dict[str, Any]) -> ApiError | None:
    try:
        validate(params, RULES)
    except ApiError as error:
        return error
    return None


NAMES = st.sampled_from(["album_id", "filename", "url", "import_type", "metadata", "metadatas", "headers", "other"])


@given(params=st.dictionaries(NAMES, JSON))
def test_whatever_is_sent_is_accepted_or_refused_by_name(params: dict[str, Any]) -> None:
    if (error := refusal(params)) is not None:
        assert error.code == "parameter_invalid"
        assert error.parameter in params
        return
    assert all(isinstance(params.get(name), str | None) for name in ("album_id", "filename", "import_type"))
    urls = params.get("url")
    assert urls is None or all(
        isinstance(one, str) and one.strip() for one in (urls if isinstance(urls, list) else [urls])
    )
    assert all(isinstance(params.get(name), dict | None) for name in ("metadata", "metadatas", "headers"))
    assert len((params.get("filename") or "").encode()) <= 8
