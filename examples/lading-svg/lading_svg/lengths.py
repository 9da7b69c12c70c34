"""How large an SVG is: CSS lengths, ``viewBox``, and the size in CSS pixels that they come to.

Sources: SVG 2 sections 7.2 and 8.2 to 8.12, CSS Values and Units 4 section 6, CSS 2.2 section 10.3.2. What is not
valid counts as not given, as it does to a browser. There is no page around the image, so that percentages and lengths
of the viewport count as not given too, and there is no font but the initial one of 16 px.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

DEFAULT_WIDTH, DEFAULT_HEIGHT = 300.0, 150.0
"""In CSS pixels, where nothing is given (CSS 2.2 section 10.3.2)."""

_PIXELS: Final = {
    "": 1.0,
    "px": 1.0,
    "in": 96.0,
    "cm": 96 / 2.54,
    "mm": 96 / 25.4,
    "q": 96 / 101.6,
    "pt": 96 / 72,
    "pc": 16.0,
    "em": 16.0,
    "rem": 16.0,
    "ex": 8.0,
    "ch": 8.0,
}
"""Of one unit. Without a font at hand, an ``ex`` and a ``ch`` are half an ``em``."""

_SPACE: Final = " \t\r\n\f"
_NUMBER: Final = r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{1,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,9})?"
_LENGTH: Final = re.compile(rf"({_NUMBER})([A-Za-z]*)")
_VIEW_BOX: Final = re.compile(rf"({_NUMBER})" + rf"(?:[{_SPACE}]*,[{_SPACE}]*|[{_SPACE}]+)({_NUMBER})" * 3)
_LONGEST: Final = 4000
"""Characters; what is longer is no length that anybody has written."""


@dataclass(frozen=True, slots=True)
class ViewBox:
    """The size of the box; both sides are finite and greater than 0."""

    width: float
    height: float


def parse_length(text: str) -> float | None:
    """CSS pixels, finite or infinite and not negative; None where the text says nothing of the size."""
    match = _LENGTH.fullmatch(text.strip(_SPACE)) if len(text) <= _LONGEST else None
    scale = _PIXELS.get(match[2].lower()) if match else None
    if match is None or scale is None:
        return None
    pixels = float(match[1]) * scale
    return pixels if pixels >= 0 else None


def parse_view_box(text: str) -> ViewBox | None:
    """The size of the box, or None where the text is none or its box is empty."""
    match = _VIEW_BOX.fullmatch(text.strip(_SPACE)) if len(text) <= _LONGEST else None
    if match is None:
        return None
    box = ViewBox(float(match[3]), float(match[4]))
    return box if 0 < box.width < math.inf and 0 < box.height < math.inf else None


def size(width: str | None, height: str | None, view_box: str | None) -> tuple[float, float]:
    """Width and height in whole CSS pixels, each at least 1, perhaps infinite, from the root's attributes.

    A side that is not given follows from the other one by the proportions of the box; where neither is given, the box
    is the size; without a box a side that is not given has its default.
    """
    given = (parse_length(width or ""), parse_length(height or ""))
    box = parse_view_box(view_box or "")
    match given:
        case (None, None):
            sides = (box.width, box.height) if box else (DEFAULT_WIDTH, DEFAULT_HEIGHT)
        case (None, float(known)):
            sides = (_scaled(known, box.width, box.height) if box else DEFAULT_WIDTH, known)
        case (float(known), None):
            sides = (known, _scaled(known, box.height, box.width) if box else DEFAULT_HEIGHT)
        case (float(one), float(other)):
            sides = (one, other)
    return _whole(sides[0]), _whole(sides[1])


def _scaled(known: float, numerator: float, denominator: float) -> float:
    """``known * numerator / denominator`` without overflow on the way."""
    if math.isinf(known):
        return known
    try:
        return float(Fraction(known) * Fraction(numerator) / Fraction(denominator))
    except OverflowError:
        return math.inf


def _whole(pixels: float) -> float:
    return max(1.0, float(math.floor(pixels + 0.5))) if math.isfinite(pixels) else math.inf
