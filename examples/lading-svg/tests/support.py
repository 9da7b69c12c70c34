"""What the tests share: a document goes through the detector's own code, and what an accepted one must be."""

import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from lading.plugins import ImageInfo
from lading.plugins.errors import PluginError
from lading_svg.detector import inspect
from lading_svg.options import SvgOptions
from lading_svg.samples import svg

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
"""A PNG of one pixel."""

ACTIVE = {"script", "handler", "foreignobject", "iframe", "object", "embed", "img", "video", "audio", "link", "base"}

README = Path(__file__).parent.parent / "README.md"


def outcome(path: Path, document: str | bytes, **options: Any) -> ImageInfo | PluginError:
    """What the detector makes of it, on however slow a machine; nothing but ``PluginError`` is caught."""
    path.write_bytes(document.encode() if isinstance(document, str) else document)
    try:
        return inspect(path, SvgOptions(**{"max_seconds": 120, **options}), threading.Event())
    except PluginError as error:
        return error


def assert_inert(document: bytes) -> None:
    """Judge an accepted document by other parsers than the detector's: nothing in it runs or leads away."""
    text = document.decode("utf-16" if document[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    for element in ET.fromstring(document).iter():
        _assert_inert_tag(element.tag, element.attrib)
    page = _Page()
    page.feed(text)
    page.close()


class _Page(HTMLParser):
    """What an HTML parser would make of it."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        _assert_inert_tag(tag, {name: value or "" for name, value in attrs})


def _assert_inert_tag(tag: str, attributes: dict[str, str]) -> None:
    local = tag.rpartition("}")[2].rpartition(":")[2].lower()
    assert local not in {"script", "foreignobject", "iframe", "object", "embed", "img", "video", "audio", "handler"}, (
        tag
    )
    assert "xhtml" not in tag
    for name, value in attributes.items():
        key = name.rpartition("}")[2].rpartition(":")[2].lower()
        assert not key.startswith("on"), name
        if key in {"href", "src"}:
            assert value.strip().startswith(("#", "data:image/png;base64,")) or not value.strip(), value
        assert "javascript:" not in "".join(value.split()).lower(), value


__all__ = ["PIXEL", "README", "assert_inert", "outcome", "svg"]
