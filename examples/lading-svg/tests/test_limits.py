"""Each limit: a document at it is let through, and one beyond it is refused."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lading.plugins import ImageInfo
from lading.plugins.errors import ImageTooComplex, PluginError, SideTooLong, TooManyPixels
from lading_svg.detector import inspect
from lading_svg.errors import TooComplex, TooLarge
from lading_svg.options import SvgOptions
from tests.support import outcome, svg

SIZE = len(svg())


def attributes(count: int) -> str:
    return svg("<g " + " ".join(f'a{number}=""' for number in range(count)) + "/>")


@pytest.mark.parametrize(
    ("option", "limit", "good", "bad", "error"),
    [
        ("max_bytes", SIZE + 1, svg(" "), svg("  "), TooLarge),
        ("max_side", 64, svg(), svg(attributes='width="1" height="65"'), SideTooLong),
        ("max_pixels", 64 * 48, svg(), svg(attributes='width="64" height="49"'), TooManyPixels),
        ("max_elements", 3, svg("<g/><g/>"), svg("<g/><g/><g/>"), TooComplex),
        (
            "max_elements",
            4,
            svg('<g id="a"/><use href="#a"/>'),
            svg('<g id="a"/>' + '<use href="#a"/>' * 2),
            TooComplex,
        ),
        ("max_depth", 3, svg("<g><g/></g>"), svg("<g><g><g/></g></g>"), TooComplex),
        ("max_attributes", 8, attributes(8), attributes(9), TooComplex),
        ("max_value", 64, svg(f'<g id="{"a" * 64}"/>'), svg(f'<g id="{"a" * 65}"/>'), TooComplex),
        ("max_value", 64, svg(f"<style>{'a' * 64}</style>"), svg(f"<style>{'a' * 65}</style>"), TooComplex),
        ("max_value", 64, svg("<style>a</style>" * 65), svg(f"<style>{'<![CDATA[a]]>' * 65}</style>"), TooComplex),
        ("max_name", 32, svg(f"<g {'a' * 32}=''/>"), svg(f"<g {'a' * 33}=''/>"), TooComplex),
        ("max_name", 32, svg(f"<g xmlns:a='{'a' * 32}'/>"), svg(f"<g xmlns:a='{'a' * 33}'/>"), TooComplex),
        ("max_name", 64, svg(f"<x:{'a' * 62} xmlns:x='x'/>"), svg(f"<x:{'a' * 63} xmlns:x='x'/>"), TooComplex),
        ("max_names", 256, attributes(240), attributes(255), TooComplex),
        ("max_text", 10, svg("<!--aaaaa-->aaaaa"), svg("<!--aaaaa-->aaaaaa"), TooComplex),
        ("max_text", 10, svg("<?xpacket a?>aaaaaaaaa"), svg("<?xpacket a?>aaaaaaaaaa"), TooComplex),
    ],
)
def test_limits(option: str, limit: int, good: str, bad: str, error: type[PluginError], tmp_path: Path) -> None:
    assert isinstance(outcome(tmp_path / "image", good, **{option: limit}), ImageInfo)
    refused = outcome(tmp_path / "image", bad, **{option: limit})
    assert type(refused) is error
    assert str(limit) in refused.detail


def test_the_limit_of_time(tmp_path: Path) -> None:
    refused = outcome(tmp_path / "image", svg(), max_seconds=1e-9)
    assert isinstance(refused, ImageTooComplex)
    assert refused.facts == {"resource": "CPU time"}
    assert not refused.retryable


def test_wall_time_refuses_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hours = SimpleNamespace(
        monotonic=lambda: time.monotonic() * 1e6, thread_time=time.thread_time, sleep=lambda _seconds: None
    )
    monkeypatch.setattr("lading_svg.parsing.time", hours)
    assert isinstance(outcome(tmp_path / "image", svg(), max_seconds=1.0), ImageInfo)


def test_a_file_is_measured_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_text(svg())
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooLarge):
        inspect(path, SvgOptions(), threading.Event())
