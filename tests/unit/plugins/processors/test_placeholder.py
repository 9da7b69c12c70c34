"""The processor ``placeholder``: what it tells of images, and that the want of a placeholder fails none."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from lading.plugins.contracts import ImageInfo
from lading.plugins.contracts.processing import Output, Picture
from lading.plugins.errors import DetectorStalled, ProcessorStalled
from lading.plugins.processors.placeholder.processor import PlaceholderOptions, PlaceholderProcessor
from lading.plugins.testing import images


@asynccontextmanager
async def processor(**options: Any) -> AsyncIterator[PlaceholderProcessor]:
    opened = PlaceholderProcessor(PlaceholderOptions(**options))
    try:
        yield opened
    finally:
        await opened.close()


async def facts(processor: PlaceholderProcessor, data: bytes, kind: str, folder: Path) -> Mapping[str, Any]:
    source, target = folder / "picture", folder / "output"
    source.write_bytes(data)
    target.touch()
    picture = Picture(source, len(data), "0" * 64, ImageInfo(kind, "image/x", 40, 30), "organization", "issuer")
    answer = await processor.process(picture, Output(target, 10**6))
    assert not answer.replaced
    assert target.read_bytes() == b""
    return answer.facts


def shape(told: Mapping[str, Any]) -> bool:
    """Whether the ThumbHash is of a landscape."""
    return base64.b64decode(told["thumbhash"])[4] >= 0x80


@pytest.mark.gen_test(timeout=60)
async def test_what_it_tells(tmp_path: Path) -> None:
    red = Image.new("RGB", (400, 300), (200, 30, 40))
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    async with processor() as opened:
        lying = await facts(opened, images.encode(red, "PNG"), "PNG", tmp_path)
        standing = await facts(opened, images.encode(red, "JPEG", exif=turned), "JPEG", tmp_path)
        moving = await facts(opened, images.sample("gif-animated").data, "GIF", tmp_path)
    assert lying["color"] == "#c81e28"
    assert (shape(lying), shape(standing)) == (True, False), "the picture is described upright"
    assert set(moving) == {"color", "thumbhash"}


@pytest.mark.gen_test(timeout=60)
async def test_an_image_without_a_placeholder_is_left_alone(tmp_path: Path) -> None:
    large = images.bombs()["png-text"]
    async with processor(memory_limit=1 << 27) as opened:
        assert await facts(opened, b"<svg/>", "SVG", tmp_path) == {}
        assert await facts(opened, images.broken()["png-truncated"], "PNG", tmp_path) == {}
        assert await facts(opened, large, "PNG", tmp_path) == {}, "it needs more memory than is allowed"
        assert await facts(opened, images.sample("png").data, "PNG", tmp_path) != {}


@pytest.mark.gen_test(timeout=60)
async def test_a_busy_machine_has_the_import_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stalls(_path: Path) -> None:
        raise DetectorStalled("no CPU time")

    async with processor() as opened:
        monkeypatch.setattr(opened._decoder, "placeholder", stalls)
        with pytest.raises(ProcessorStalled):
            await facts(opened, images.sample("png").data, "PNG", tmp_path)
