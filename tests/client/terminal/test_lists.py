"""Lists of imports: text, CSV and NDJSON."""

import json
from collections.abc import Mapping
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.cli.client.send.lists import ListFault, guess, read

A, B = "https://a.example/1.jpg", "https://b.example/2.jpg"


def entries(text: str, form: str | None = None) -> list[Mapping[str, Any]]:
    lines = text.splitlines(keepends=True)
    first = next((line for line in lines if line.strip()), "")
    return list(read(StringIO(text, newline=""), form or guess(first)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{A}\n\n  {B}  \n# a remark\n", [{"url": A}, {"url": B}]),
        (f"{A}\r\n{B}\r\n", [{"url": A}, {"url": B}]),
        ("", []),
        ("data:image/png;base64,AAAA\n", [{"url": "data:image/png;base64,AAAA"}]),
        (f'"{A}"\n{{"url": "{B}", "album_id": "x"}}\n', [{"url": A}, {"url": B, "album_id": "x"}]),
        ('{"file": "a.jpg"}', [{"file": "a.jpg"}]),
        (f"url,album_id\n{A},x\n{B},\n", [{"url": A, "album_id": "x"}, {"url": B}]),
        (f'album_id;url;metadata[by]\nx;"{A}";me\n', [{"album_id": "x", "url": A, "metadata": {"by": "me"}}]),
        (f"url\ttags\n{A}\tone, two\n", [{"url": A, "tags": ["one", "two"]}]),
        (f'x;{A};one,two;\n', [{"album_id": "x", "url": A, "tags": ["one", "two"]}]),
        (f';{A};;{{"by": "me"}}\n', [{"url": A, "metadata": {"by": "me"}}]),
        (f";{A};;\n\n;{B}\n", [{"url": A}, {"url": B}]),
        (f'filename,url\n"a\nb.jpg",{A}\n', [{"filename": "a\nb.jpg", "url": A}]),
    ],
)  # fmt: skip
def test_entries(text: str, expected: list[Mapping[str, Any]]) -> None:
    assert entries(text) == expected


@pytest.mark.parametrize(
    ("text", "form", "said"),
    [
        (
            f"{A}\nwww.example.org/a.jpg\n",
            None,
            r"line 2 is no URL: 'www.example.org/a.jpg'. Give one URL a line; # begins a comment\.",
        ),
        (f'"{A}"\n{{"album_id": "x"}}\n', None, "line 2 has neither 'url' nor 'file'"),
        ('{"url": \n', None, "line 1 is no JSON"),
        ("[1]\n", "ndjson", "line 1 has neither"),
        (f'{{"url": "{A}", "metadata": {{"a": NaN}}}}\n', None, "line 1 is no JSON"),
        (f'{{"url": "{A}", "filename": "\\ud800"}}\n', None, "line 1 is no JSON"),
        (f"url,colour\n{A},red\n", None, "there is no parameter 'colour'"),
        (f"url,album_id\n{A},x,y\n", None, "line 2 has 3 fields, and there are 2 columns"),
        ("url\nno\n", None, "line 2 has no URL: 'no'"),
        (f"x;{A};;[1]\n", None, "line 1: 'metadata' is no JSON object: '\\[1\\]'"),
        ("x" * 500, None, "line 1 is no URL: 'x{60}…'"),
    ],
)
def test_a_fault_names_its_line(text: str, form: str | None, said: str) -> None:
    with pytest.raises(ListFault, match=said):
        entries(text, form)


@given(st.lists(st.dictionaries(st.sampled_from(["url", "album_id", "filename"]), st.text(min_size=1), min_size=1)))
def test_ndjson_is_read_as_it_was_written(items: list[dict[str, str]]) -> None:
    items = [{"url": A, **item} for item in items]
    assert entries("".join(f"{json.dumps(item)}\n" for item in items), "ndjson") == items


@given(st.text(), st.sampled_from([None, "text", "csv", "ndjson"]))
def test_garbage_is_a_fault(text: str, form: str | None) -> None:
    try:
        found = entries(text, form)
    except ListFault:
        return
    assert all(entry.get("url") or entry.get("file") for entry in found if form != "ndjson")
