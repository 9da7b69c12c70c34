"""Reading INI text: what it means, and every syntax fault with its line."""

import re
from configparser import ConfigParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.config import SettingsError
from lading.service.config.ini import MAX_SYNTAX_FAULTS, parse_ini


def parse(text: str) -> tuple[dict[str, dict[str, str]], list[tuple[str, str, str]]]:
    """The sections as text, and the faults as (where, key, problem)."""
    sections, faults = parse_ini(text, "x")
    plain = {name: {key: entry.value for key, entry in section.items()} for name, section in sections.items()}
    return plain, [(fault.where, fault.key, fault.problem) for fault in faults]


def test_sections_keys_and_values() -> None:
    text = "# one\n[a]\nKey = v = w ; not a comment\nempty =\n; two\n[a.b]\nlist = 1,\n  2\n\n[c]\n"
    assert parse(text) == (
        {"a": {"key": "v = w ; not a comment", "empty": ""}, "a.b": {"list": "1,\n2"}, "c": {}},
        [],
    )


def test_windows_line_ends_are_line_ends() -> None:
    assert parse("[a]\r\nk = v\r\n") == ({"a": {"k": "v"}}, [])


def test_every_syntax_fault_is_told_with_its_line_and_the_rest_is_read() -> None:
    text = "stray\n[a]\nk = 1\nnonsense\nk = 2\n= 3\n[b]\nk = 4\n[a]\nk = 5\n[b] junk\nlast = 6\n[b]\n"
    assert parse(text) == (
        {"a": {"k": "1"}, "b": {"k": "4"}},
        [
            ("x:1", "", "is before the first [section]; move it into a section"),
            ("x:4", "", "is neither [section] nor key = value"),
            ("x:5", "k", "appears twice; keep one of them"),
            ("x:6", "", "is neither [section] nor key = value"),
            ("x:9", "", "appears twice; keep one of them"),
            ("x:11", "", "is neither [section] nor key = value"),
            ("x:13", "", "appears twice; keep one of them"),
        ],
    )


def test_a_repeated_option_takes_its_further_lines_with_it() -> None:
    assert parse("[a]\nk = 1\nk = 2\n  3\nl = 4\n")[0] == {"a": {"k": "1", "l": "4"}}


def test_keys_that_differ_in_case_are_the_same() -> None:
    assert parse("[a]\nk = 1\nK = 2\n")[1] == [("x:3", "k", "appears twice; keep one of them")]


def test_a_nul_is_refused_with_its_line() -> None:
    with pytest.raises(SettingsError, match="x:2: contains a NUL"):
        parse("[a]\n\0")


def test_the_list_of_faults_ends() -> None:
    with pytest.raises(SettingsError) as caught:
        parse("[a]\n" * (MAX_SYNTAX_FAULTS + 50))
    assert len(caught.value.faults) == MAX_SYNTAX_FAULTS + 1


class WholeLineHeaders(ConfigParser):
    SECTCRE = re.compile(r"\[(?P<header>[^]]+)\]\Z")


_characters = st.sampled_from("ab[]=;# \t\r\n\v\x1c\x85\u2028.%$:")


@given(st.one_of(st.text(_characters, max_size=60), st.text()))
def test_text_without_faults_means_what_configparser_reads(text: str) -> None:
    try:
        sections, faults = parse(text)
    except SettingsError:
        assert "\0" in text
        return
    if not faults:
        reference = WholeLineHeaders(
            interpolation=None, delimiters=("=",), empty_lines_in_values=False, default_section="\n"
        )
        reference.read_string(text)
        assert sections == {name: dict(reference.items(name)) for name in reference.sections()}
