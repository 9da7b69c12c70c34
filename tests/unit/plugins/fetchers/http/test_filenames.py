import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.plugins.fetchers.http.filenames import clean_filename, origin_filename


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=a.jpg", "a.jpg"),
        ('attachment; filename="a b.jpg"', "a b.jpg"),
        ('inline;FILENAME="a.jpg"', "a.jpg"),
        (r'attachment; filename="a\"b.jpg"', 'a"b.jpg'),
        ("attachment; filename*=UTF-8''%e2%82%ac.jpg", "€.jpg"),
        ("attachment; filename*=iso-8859-1'en'%a3.jpg", "£.jpg"),
        ("attachment; filename=\"plain.jpg\"; filename*=UTF-8''rich.jpg", "rich.jpg"),
        ("attachment; filename*=UTF-8''%ff; filename=plain.jpg", "plain.jpg"),
        ("attachment; filename*=x''y; filename=plain.jpg", "plain.jpg"),
        ("attachment; filename*=broken; filename=plain.jpg", "plain.jpg"),
        ("attachment; filename=first.jpg; filename=second.jpg", "first.jpg"),
        ('attachment; x="; filename=inner.jpg"; filename=outer.jpg', "outer.jpg"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        (r'attachment; filename="C:\\temp\\a.jpg"', "a.jpg"),
        ('attachment; filename=".."', "from-path.jpg"),
        ('attachment; filename=""', "from-path.jpg"),
        ("attachment", "from-path.jpg"),
        ("", "from-path.jpg"),
        (None, "from-path.jpg"),
    ],
)
def test_content_disposition_names_the_file_or_else_the_path_does(disposition: str | None, name: str) -> None:
    assert origin_filename(disposition, "/a/from-path.jpg") == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", None),
        ("/a/", None),
        ("/a/b%20c.jpg", "b c.jpg"),
        ("/a/%C3%A9.jpg", "é.jpg"),
        ("/a/..", None),
        ("/%2e%2e%2fb", "b"),
        ("/%00", None),
        ("/a%0d%0ab.jpg", "ab.jpg"),
    ],
)
def test_names_from_paths_are_decoded_and_cleaned(path: str, name: str | None) -> None:
    assert origin_filename(None, path) == name


def test_names_are_cut_to_255_bytes_between_characters() -> None:
    assert clean_filename("é" * 200) == "é" * 127
    assert clean_filename("a" * 300) == "a" * 255


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("a" * 300 + ".jpg", "a" * 251 + ".jpg"),
        ("é" * 200 + ".jpeg", "é" * 125 + ".jpeg"),
        ("a" * 300 + ".tar.gz", "a" * 248 + ".tar.gz"),
        ("a" * 249 + " " * 40 + ".png", "a" * 249 + ".png"),
        ("a" * 300 + "." + "x" * 17, "a" * 255),  # no extension, but a part of the name
        ("a" * 300 + ".", "a" * 255),
        ("x" * 300 + ". jpg", "x" * 255),
        ("." + "x" * 300, "." + "x" * 254),
    ],
)
def test_a_name_that_is_cut_keeps_its_extension(name: str, cut: str) -> None:
    assert clean_filename(name) == cut
    assert origin_filename(f'attachment; filename="{name}"', "/") == cut
    assert origin_filename(None, "/" + quote(name)) == cut


@given(st.text())
def test_cleaned_names_are_harmless(text: str) -> None:
    name = clean_filename(text)
    if name is not None:
        assert name not in {"", ".", ".."}
        assert "/" not in name
        assert "\\" not in name
        assert len(name.encode()) <= 255
        assert not any(unicodedata.category(char).startswith("C") for char in name)
        assert clean_filename(name) == name
