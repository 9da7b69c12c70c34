"""The page on traces names every span attribute, and only attributes that spans have."""

import inspect
import re
from pathlib import Path

from lading.service.observe.telemetry import spans

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "operate" / "trace.md"
NAME = r"\b(?:lading|http\.(?:request|response)|http\.route|url|server|db|error)(?:\.[a-z_]+)+\b|\bhttp\.route\b"


def test_the_page_has_the_attributes_of_the_code() -> None:
    strings = re.findall(r'"([a-z_.]+)"', inspect.getsource(spans))
    known = {text for text in strings if re.fullmatch(NAME, text)}
    documented = {text for text in re.findall(r"`([a-z_.]+)`", PAGE.read_text()) if re.fullmatch(NAME, text)}
    assert len(known) >= 20
    assert documented == known
