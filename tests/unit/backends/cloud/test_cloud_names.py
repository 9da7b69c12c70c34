from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.backends.cloud.names import Names, header_value

KEYS = st.from_regex(r"[a-z0-9_-][a-z0-9._-]{0,9}(/[a-z0-9_-][a-z0-9._-]{0,9}){0,3}", fullmatch=True)


@pytest.mark.parametrize(
    ("prefix", "template"),
    [("", "{key}"), ("images/", "{key}"), ("a-", "{key}.bin"), ("x/", "y/{key}/original"), ("", "z{key}z")],
)
@given(key=KEYS)
def test_a_name_leads_back_to_its_key(prefix: str, template: str, key: str) -> None:
    names = Names(prefix, template)
    name = names.name(key)
    assert name == prefix + template.replace("{key}", key)
    assert names.key(name) == key
    assert name.startswith(names.beginning(key[:3]))


@pytest.mark.parametrize(
    "name", ["", "images/", "images/.lading-probe", "images/A", "images/a//b", "other/a", "a", "images/a/", "images/ä"]
)
def test_what_is_no_object_of_ours(name: str) -> None:
    assert Names("images/", "{key}").key(name) is None


def test_a_name_shorter_than_what_is_around_the_key() -> None:
    assert Names("aa", "{key}aa").key("aaa") is None


def test_no_key_has_the_name_of_the_probe() -> None:
    for prefix in ("", "images/"):
        names = Names(prefix, "{key}")
        assert names.probe.startswith(prefix)
        assert names.key(names.probe) is None


@given(st.text())
def test_a_header_value_is_plain(text: str) -> None:
    value = header_value(text.encode("utf-8", "ignore").decode())
    assert value.isascii()
    assert value.isprintable()
    assert unquote(header_value("image/svg+xml; charset=utf-8")) == "image/svg+xml; charset=utf-8"
