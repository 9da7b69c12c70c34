"""Lengths, boxes, and the size that they come to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading_svg.lengths import ViewBox, parse_length, parse_view_box, size

UNITS = {"px": 1, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4, "Q": 24 / 25.4, "pt": 4 / 3, "pc": 16, "em": 16, "ex": 8}

numbers = st.floats(min_value=0, max_value=1e12, allow_nan=False)
texts = st.text(alphabet="0123456789+-.eE pxinmcQt%\n,é", max_size=40) | st.text(max_size=20)


@pytest.mark.parametrize(
    ("text", "pixels"),
    [
        ("10", 10),
        ("10px", 10),
        (" 10px\n", 10),
        ("+1.5e1PX", 15),
        (".5", 0.5),
        ("0", 0),
        ("-0", 0),
        ("1in", 96),
        ("2.54cm", 96),
        ("25.4mm", 96),
        ("101.6q", 96),
        ("72pt", 96),
        ("6pc", 96),
        ("1em", 16),
        ("1rem", 16),
        ("2ex", 16),
        ("1e3", 1000),
        ("1e999", math.inf),
    ],
)
def test_lengths(text: str, pixels: float) -> None:
    assert parse_length(text) == pytest.approx(pixels)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "auto",
        "100%",
        "50vw",
        "-1",
        "1 px",
        "1px2",
        "px",
        "1.",
        "1,5",
        "0x10",
        "1e",
        "٣",
        "inf",
        "nan",
        "calc(1px)",
    ],
)
def test_what_says_nothing_of_the_size(text: str) -> None:
    assert parse_length(text) is None


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("0 0 20 10", ViewBox(20, 10)),
        ("-5,-5, 20 ,10", ViewBox(20, 10)),
        (" 0\n0\t2e1 .5 ", ViewBox(20, 0.5)),
        ("0 0 0 10", None),
        ("0 0 -20 10", None),
        ("0 0 20", None),
        ("0 0 20 10 5", None),
        ("0,,0 20 10", None),
        ("0 0 20px 10px", None),
        ("0 0 1e999 10", None),
        ("", None),
    ],
)
def test_boxes(text: str, box: ViewBox | None) -> None:
    assert parse_view_box(text) == box


@pytest.mark.parametrize(
    ("width", "height", "box", "expected"),
    [
        ("64", "48", None, (64, 48)),
        ("64", "48", "0 0 1 1", (64, 48)),
        (None, None, None, (300, 150)),
        (None, None, "0 0 20 10", (20, 10)),
        ("100%", "100%", "0 0 20 10", (20, 10)),
        ("100%", "50%", None, (300, 150)),
        ("40", None, "0 0 20 10", (40, 20)),
        (None, "40", "0 0 20 10", (80, 40)),
        ("40", None, None, (40, 150)),
        (None, "40", None, (300, 40)),
        ("nonsense", "-1", "none", (300, 150)),
        ("0", "0", None, (1, 1)),
        ("0.2", "0.5", None, (1, 1)),
        ("1.5", "2.49", None, (2, 2)),
        ("210mm", "297mm", None, (794, 1123)),
        ("1e999", "1", None, (math.inf, 1)),
        ("1e308", None, "0 0 1e-300 1e300", (1e308, math.inf)),
        (None, None, "0 0 0.1 1e300", (1, 1e300)),
    ],
)
def test_sizes(width: str | None, height: str | None, box: str | None, expected: tuple[float, float]) -> None:
    assert size(width, height, box) == expected


@given(number=numbers, unit=st.sampled_from(sorted(UNITS)))
def test_every_unit_scales(number: float, unit: str) -> None:
    assert parse_length(f"{number!r}{unit}") == pytest.approx(number * UNITS[unit])
    assert parse_length(f"{number!r}{unit.upper()}") == parse_length(f"{number!r}{unit.lower()}")


@given(texts, texts, texts)
def test_any_text_comes_to_a_size(width: str, height: str, box: str) -> None:
    for side in size(width, height, box):
        assert side >= 1
        assert side == math.inf or side == int(side)


@given(numbers, numbers)
def test_a_whole_number_of_pixels_is_the_nearest(width: float, height: float) -> None:
    sides = size(repr(width), repr(height), None)
    for side, given_side in zip(sides, (width, height), strict=True):
        assert side == 1 or abs(side - given_side) <= 0.5


@given(st.text(alphabet="0123456789.eE+- ,", min_size=3000, max_size=5000))
def test_long_texts_are_no_work(text: str) -> None:
    size(text, text, text)
