"""A stranger's file name as a header."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.plugins.disposition import content_disposition

FORM = re.compile(
    r"""
    (inline|attachment)
    (?:
        ;[ ]filename="(?P<ascii>[ !\#-\[\]-~]*)"
        (?: ;[ ]filename\*=UTF-8''(?P<utf8>[!\#$&+.^_`|~0-9A-Za-z%-]+) )?
    )?
    """,
    re.VERBOSE,
)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        (None, "inline"),
        ("", "inline"),
        ("...", "inline"),
        ("photo.png", 'inline; filename="photo.png"'),
        ("a b;c=d,e.png", 'inline; filename="a b;c=d,e.png"'),
        ("../../etc/passwd", 'inline; filename=".._.._etc_passwd"'),
        ("C:\\temp\\a.png", 'inline; filename="C:_temp_a.png"'),
        ('"; filename="evil.exe', 'inline; filename="_; filename=_evil.exe"'),
        ("100%41.png", 'inline; filename="100_41.png"'),
        ("a\r\nX: y\0\x7f.png", 'inline; filename="a__X: y__.png"'),
        ("é.png", "inline; filename=\"_.png\"; filename*=UTF-8''%C3%A9.png"),
        ("€'*.png", "inline; filename=\"_'*.png\"; filename*=UTF-8''%E2%82%AC%27%2A.png"),
        ("\ud800.png", 'inline; filename="_.png"'),
        ("a\u2028b\u202ec\ufeff\ue000.png", 'inline; filename="a_b_c__.png"'),
    ],
)  # fmt: skip
def test_names(filename: str | None, expected: str) -> None:
    assert content_disposition(filename, inline=True) == expected


def test_what_is_not_to_be_shown() -> None:
    assert content_disposition(None, inline=False) == "attachment"
    assert content_disposition("a.svg", inline=False) == 'attachment; filename="a.svg"'


@given(st.text(st.characters(), max_size=2 * 255))
def test_whatever_the_name_it_is_one_well_formed_header(filename: str) -> None:
    value = content_disposition(filename, inline=True)
    match = FORM.fullmatch(value)
    assert match, value
    if match["utf8"]:
        decoded = unquote(match["utf8"], errors="strict")
        assert len(decoded) == len(match["ascii"]) <= 255
        assert not set(decoded) & set('/\\"%\r\n\0')
