"""The fixtures that authors are offered, and what the pytest plugin costs those who do not ask for them."""

import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from urllib.error import HTTPError

import pytest

from lading.plugins.detectors.pillow.formats import HEAD_SIZE, identify
from lading.plugins.testing.images import Sample
from lading.plugins.testing.origin import Origin, answer, redirect


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        return bytes(response.read())


def test_the_origin_behaves_as_its_routes_say(hostile_origin: Origin) -> None:
    hostile_origin.routes["/a"] = redirect("/b")
    hostile_origin.routes["/b"] = answer(b"image")
    assert get(hostile_origin.url("/a")) == b"image"
    assert [request.target for request in hostile_origin.requests] == ["/a", "/b"]
    with pytest.raises(HTTPError, match="404"):
        get(hostile_origin.url("/c"))


def test_every_test_has_an_origin_of_its_own(hostile_origin: Origin) -> None:
    assert not hostile_origin.routes
    assert not hostile_origin.requests


def test_samples_are_good_images(sample_images: Mapping[str, Sample]) -> None:
    assert {sample.format for sample in sample_images.values()} >= {"JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"}
    assert all(identify(sample.data[:HEAD_SIZE]) for sample in sample_images.values())


def test_broken_images_are_of_every_kind(
    sample_images: Mapping[str, Sample], broken_images: Mapping[str, bytes]
) -> None:
    assert {"png-truncated", "png-bomb", "html"} <= broken_images.keys()
    assert not {sample.data for sample in sample_images.values()} & set(broken_images.values())


def test_the_pytest_plugin_imports_nothing_of_weight() -> None:
    code = "import sys, lading.pytest_plugin; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "lading.pytest_plugin" in loaded
    assert {name for name in loaded if name.startswith("lading")} == {"lading", "lading.pytest_plugin"}
    assert not {"PIL", "pydantic", "aiohttp", "asyncio"} & loaded


def test_a_name_that_the_kit_does_not_have() -> None:
    with pytest.raises(ImportError, match="Nonsense"):
        from lading.plugins.testing import Nonsense  # noqa: F401, PLC0415 - that it cannot be imported is the question
