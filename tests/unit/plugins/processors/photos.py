"""Photos with metadata of every kind, made by Pillow, and how the processor ``metadata`` changes them."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from lading.plugins.contracts import ImageInfo
from lading.plugins.contracts.processing import Output, Picture
from lading.plugins.processors.metadata.processor import MetadataOptions, MetadataProcessor

SECRET = b"48.8583 Champ de Mars"
"""A place, in every block that may name one."""
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><exif:GPSLatitude>' + SECRET + b"</exif:GPSLatitude></x:xmpmeta>"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS: Mapping[str, str] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
}


@dataclass(frozen=True)
class Photo:
    name: str
    format: str
    data: bytes
    orientation: int


def exif(orientation: int, *, order: str = "<") -> Image.Exif:
    """A camera's block."""
    made = Image.Exif()
    made.endian = order
    made[ExifTags.Base.Make] = "A camera"
    made[ExifTags.Base.Orientation] = orientation
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = SECRET
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:01:02 03:04:05"
    made.get_ifd(ExifTags.IFD.GPSInfo).update(
        {1: "N", 2: (48.0, 51.0, 29.88), 3: "E", 4: (2.0, 17.0, 40.2), 27: SECRET, 29: "2026:01:02"}
    )
    return made


def picture() -> Image.Image:
    image = Image.linear_gradient("L").resize((40, 30))
    return Image.merge("RGB", (image, image.rotate(180), image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))


def photo(kind: str, orientation: int, **more: Any) -> Photo:
    """A photo with metadata of every kind that Pillow writes."""
    order = more.pop("order", "<")
    name = " ".join([kind, str(orientation), order, *(f"{key}={value}" for key, value in more.items())])
    options: dict[str, Any] = {"exif": exif(orientation, order=order), "icc_profile": PROFILE, "xmp": XMP}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", SECRET.decode())
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"exif": options["exif"], "icc_profile": PROFILE, "pnginfo": texts}
    if kind == "JPEG":
        options["comment"] = SECRET
    if kind == "GIF":
        orientation, options = 1, {"comment": SECRET}
    if kind == "TIFF":
        block = options["exif"]
        block[ExifTags.Base.ImageDescription], block[ExifTags.Base.XMLPacket] = SECRET.decode(), XMP
        options = {"exif": block, "icc_profile": PROFILE}
    target = io.BytesIO()
    image: Image.Image = picture()
    if more.get("save_all"):
        more["append_images"] = [image.rotate(90), image.rotate(180)]
    image.save(target, kind, **options, **more)
    return Photo(name, kind, target.getvalue(), orientation)


def camera_tiff(orientation: int, order: str) -> Photo:
    """A photo as cameras write it, with a directory of GPS, which Pillow writes into no TIFF file."""
    image = picture()
    block, data = exif(orientation, order=order), image.tobytes()
    block[ExifTags.Base.ImageDescription], block[ExifTags.Base.XMLPacket] = SECRET.decode(), XMP
    block[ExifTags.Base.InterColorProfile] = PROFILE
    shape = {256: image.width, 257: image.height, 258: (8, 8, 8), 259: 1, 262: 2, 277: 3, 278: image.height}
    for tag, value in {**shape, 273: 1 << 16, 279: len(data)}.items():
        block[tag] = value
    head = block.tobytes().removeprefix(b"Exif\0\0")
    start = Image.open(io.BytesIO(head)).tile[0].offset  # Pillow adds to the offset that it is given
    return Photo(f"TIFF of a camera {orientation} {order}", "TIFF", head.ljust(start, b"\0") + data, orientation)


def photos() -> list[Photo]:
    made = [photo("JPEG", turn, order=order) for turn in range(1, 9) for order in "<>"]
    made += [photo("JPEG", turn, progressive=True, restart_marker_blocks=2) for turn in (1, 6)]
    made += [photo("PNG", turn, order=order) for turn in range(1, 9) for order in "<>"]
    made += [photo("WEBP", turn, lossless=lossless) for turn in range(1, 9) for lossless in (False, True)]
    made += [camera_tiff(turn, order) for turn in range(1, 9) for order in "<>"]
    made += [photo("TIFF", 1, compression=kind) for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")]
    made += [photo("TIFF", 1, save_all=True)]
    made += [photo(kind, 1, save_all=True, duration=40, loop=0) for kind in ("PNG", "WEBP", "GIF")]
    made += [photo("GIF", 1, interlace=interlace) for interlace in (0, 1)]
    tail = b"\0" + SECRET
    made += [Photo(f"{one.name} and a tail", one.format, one.data + tail, one.orientation) for one in made[::8]]
    return made


def pixels(data: bytes) -> list[tuple[bytes, Any]]:
    """Each frame, and its profile."""
    image = Image.open(io.BytesIO(data))
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        frames.append((image.convert("RGBA").tobytes(), image.info.get("icc_profile")))
    return frames


def orientation(data: bytes) -> int:
    found: int = Image.open(io.BytesIO(data)).getexif().get(ExifTags.Base.Orientation, 1)
    return found


async def processed(
    data: bytes, kind: str, orientation: int, folder: Path, max_bytes: int = 10**7, **options: Any
) -> bytes | None:
    """The new file; None if the processor leaves it as it is.

    Raises:
        ProcessError: the processor's.
    """
    source, target = folder / "picture", folder / "output"
    source.write_bytes(data)
    target.write_bytes(b"")
    processor = MetadataProcessor(MetadataOptions(**options))
    info = ImageInfo(kind, FORMATS.get(kind, "image/x"), 40, 30, orientation=orientation)
    try:
        answer = await processor.process(
            Picture(source, len(data), "0" * 64, info, "organization", "issuer"), Output(target, max_bytes)
        )
    finally:
        await processor.close()
    assert source.read_bytes() == data, "the picture was changed"
    assert answer.facts == {}
    return target.read_bytes() if answer.replaced else None
