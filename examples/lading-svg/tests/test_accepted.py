"""Harmless documents are let through, and what is let through is inert to other parsers than the detector's."""

from pathlib import Path

import pytest

from lading.plugins import ImageInfo
from lading.plugins.testing import Sample
from lading_svg.samples import samples
from tests.accepted import ACCEPTED
from tests.hostile import HOSTILE
from tests.support import assert_inert, outcome, svg

LINK = svg('<a href="https://example.org/"><text>x</text></a>')


def encoded(document: str | bytes) -> bytes:
    return document.encode() if isinstance(document, str) else document


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str, tmp_path: Path) -> None:
    assert outcome(tmp_path / "image", ACCEPTED[name]) == ImageInfo("SVG", "image/svg+xml", 64, 48, 1)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_accepted_is_inert(name: str) -> None:
    assert_inert(encoded(ACCEPTED[name]))


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_samples_are_inert(sample: Sample) -> None:
    assert_inert(sample.data)


@pytest.mark.parametrize(
    "name",
    [
        "element: script",
        "element: script with another prefix",
        "element: script of no namespace",
        "element: text of XHTML",
        "element: foreignobject in lower case",
        "attribute: onload of an unknown namespace",
        "attribute: href of another prefix",
        "attribute: javascript with a tab in it",
        "external: image beside it",
        "embedded: svg in base64",
    ],
)
def test_the_check_of_inertness_sees_what_is_active(name: str) -> None:
    with pytest.raises(AssertionError):
        assert_inert(encoded(HOSTILE[name][0]))


def test_links_are_let_through_where_they_are_allowed(tmp_path: Path) -> None:
    assert isinstance(outcome(tmp_path / "image", LINK, links=True), ImageInfo)
    for scheme in ("javascript:alert(1)//", "//", "/", "file:///", "ftp://", "data:image/png;base64,", "https:\\\\"):
        hostile = LINK.replace("https://", scheme)
        assert not isinstance(outcome(tmp_path / "image", hostile, links=True), ImageInfo), scheme
    image = LINK.replace("<a ", "<image ").replace("</a>", "</image>")
    assert not isinstance(outcome(tmp_path / "image", image, links=True), ImageInfo)


def test_types_are_let_through_where_they_are_allowed(tmp_path: Path) -> None:
    font = svg("<style>@font-face { src: url(data:font/woff2;base64,d09GMgABAAA=) }</style>")
    assert isinstance(outcome(tmp_path / "image", font, embedded="font/woff2"), ImageInfo)
    png = ACCEPTED["an embedded picture"]
    assert isinstance(outcome(tmp_path / "image", png, embedded="image/png"), ImageInfo)
    assert not isinstance(outcome(tmp_path / "image", png, embedded=""), ImageInfo)
