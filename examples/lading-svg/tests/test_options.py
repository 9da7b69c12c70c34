"""The options: their defaults as the README has them, and what is refused."""

import re

import pytest
from pydantic import ValidationError

from lading_svg.options import SvgOptions
from tests.support import README


def test_options_as_service_conf_has_them() -> None:
    options = SvgOptions.model_validate({"max_bytes": "1000", "embedded": "image/PNG, font/woff2", "links": "yes"})
    assert options.max_bytes == 1000
    assert options.embedded == ("image/png", "font/woff2")
    assert options.links


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((name, "0") for name in SvgOptions.model_fields if name.startswith("max_") and name != "max_text"),
        ("max_text", "-1"),
        ("max_bytes", "1e9"),
        ("max_seconds", "inf"),
        ("max_seconds", "nan"),
        ("threads", "0"),
        ("embedded", "image/svg+xml"),
        ("embedded", "text/html, image/png"),
        ("links", "some"),
        ("max_byte", "1"),
    ],
)
def test_refused_options(option: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        SvgOptions.model_validate({option: value})
    assert [fault["loc"][0] for fault in raised.value.errors()] == [option]


def test_the_readme_has_every_option_with_its_default_and_its_text() -> None:
    _, _, section = README.read_text(encoding="utf-8").partition("## Options\n")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", section.partition("\n## ")[0], re.MULTILINE)
    assert rows == [(name, _shown(field.default), field.description) for name, field in SvgOptions.model_fields.items()]


def _shown(default: object) -> str:
    text = ", ".join(default) if isinstance(default, tuple) else str(default).lower()
    return f"`{text}`"
