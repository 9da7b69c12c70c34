"""Turns an opened image into the bytes of a thumbnail. With Pillow: for the child process alone.

The first frame is converted and reduced strip by strip, so that a large image needs little more memory than its decoded
pixels. The result is the same as that of the whole image at once.
"""

import io
import math
from collections.abc import Callable
from typing import Final, NamedTuple

from PIL import Image, ImageCms, ImageFile, JpegImagePlugin, TiffImagePlugin

from ..structure.inspection import Size

_GAP: Final = 2
"""By how much the sides exceed those of the thumbnail where the cheap reduction ends and the careful one begins."""
_STRIP_PIXELS: Final = 1 << 20
_QUALITY: Final = 80
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn an image as its orientation wants it (Exif 2.32, tag 274)."""
_PROFILED: Final = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
"""Pillow's modes for the colour spaces of profiles (ICC.1:2010, table 19)."""


class Plan(NamedTuple):
    """How an image becomes small.

    Attributes:
        size: of the thumbnail before it is turned.
        draft: by how much the decoder of a JPEG shortens the sides: 1, 2, 4 or 8.
        factors: by how much pixels are then averaged, across and down.
    """

    size: Size
    draft: int
    factors: tuple[int, int]

    @classmethod
    def of(cls, size: Size, side: int, *, is_jpeg: bool) -> "Plan":
        """The plan for an image whose longest side is to have ``side`` pixels, or as many as before where those are
        fewer.
        """
        share = min(1.0, side / max(size))
        across, down = (max(1, round(length * share)) for length in size)
        spare = min(size[0] // (_GAP * across), size[1] // (_GAP * down)) if is_jpeg else 1
        draft = next((scale for scale in (8, 4, 2) if spare >= scale), 1)
        factors = (int(size[0] / draft / across / _GAP) or 1, int(size[1] / draft / down / _GAP) or 1)
        return cls((across, down), draft, factors)

    @property
    def drafted(self) -> Size:
        """The least sides that the decoder of a JPEG is asked for."""
        return self.size[0] * _GAP, self.size[1] * _GAP

    @property
    def turned(self) -> "Plan":
        """The plan for the same image, lying on its side."""
        return Plan(self.size[::-1], self.draft, self.factors[::-1])


def render(image: ImageFile.ImageFile, plan: Plan, orientation: int) -> Image.Image:
    """The thumbnail of the current frame, upright, in sRGB.

    Args:
        image: none of its pixels are decoded.
        plan: made for its size.
        orientation: of the stored pixels, 1 to 8.
    """
    stored = image.size
    width, height = float(stored[0]), float(stored[1])
    if isinstance(image, JpegImagePlugin.JpegImageFile) and plan.draft > 1:
        image.draft(None, plan.drafted)
        width, height = width / plan.draft, height / plan.draft
    image.load()
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # Pillow has turned it
        orientation = 1
        if image.size != stored:
            width, height, plan = height, width, plan.turned
    small = _reduced(image, (width, height), plan)
    small = _in_srgb(small, image.info.get("icc_profile"))
    return small.transpose(_TURNS[orientation]) if orientation in _TURNS else small


def _reduced(image: Image.Image, size: tuple[float, float], plan: Plan) -> Image.Image:
    """The small image in RGB, RGBA, or CMYK with a profile.

    Args:
        image: the decoded image.
        size: its exact sides, whose last pixels a draft may have rounded up.
        plan: made for them.
    """
    convert, mode = _conversion(image)
    across, down = plan.factors
    canvas = Image.new(mode, (-(-image.width // across), -(-image.height // down)))
    rows = max(1, _STRIP_PIXELS // (image.width * down)) * down
    for top in range(0, image.height, rows):
        strip = convert(image.crop((0, top, image.width, min(top + rows, image.height))))
        canvas.paste(strip.reduce(plan.factors) if plan.factors != (1, 1) else strip, (0, top // down))
    if canvas.size != plan.size or plan.draft > 1:
        canvas = canvas.resize(plan.size, Image.Resampling.LANCZOS, (0, 0, size[0] / across, size[1] / down))
    return canvas.convert("RGBA") if mode == "RGBa" else canvas


def _conversion(image: Image.Image) -> tuple[Callable[[Image.Image], Image.Image], str]:
    """What turns a strip of the image into the mode in which it is reduced, and that mode."""
    if image.mode.startswith("I;16"):
        big = image.mode.endswith("B")
        # Pillow's own conversion makes everything above 255 white.
        return lambda strip: _upper_bytes(strip, big).convert("RGB"), "RGB"
    if image.mode in {"I", "F"}:
        scale, offset = _stretching(image)
        return lambda strip: strip.point(lambda value: value * scale + offset).convert("L").convert("RGB"), "RGB"
    if image.has_transparency_data:
        return lambda strip: strip.convert("RGBA").convert("RGBa"), "RGBa"
    if image.mode == "CMYK" and image.info.get("icc_profile"):
        return lambda strip: strip, "CMYK"
    return lambda strip: strip.convert("RGB"), "RGB"


def _upper_bytes(strip: Image.Image, is_big_endian: bool) -> Image.Image:
    """The upper 8 of 16 bits."""
    return Image.frombytes("L", strip.size, strip.tobytes(), "raw", "L;16B" if is_big_endian else "L;16")


def _stretching(image: Image.Image) -> tuple[float, float]:
    """Factor and summand that stretch samples to 0 to 255, where no format says which of them is white."""
    low, high = image.getextrema()
    scale = 255 / (high - low) if high > low else 0.0  # type: ignore[operator]  # one band, two numbers
    offset = -low * scale  # type: ignore[operator]
    return (scale, offset) if math.isfinite(scale) and math.isfinite(offset) else (1.0, 0.0)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in RGB or RGBA, with the colours of sRGB. A profile that is damaged, or fits not, is passed over."""
    if not profile:
        return image
    colours = image.convert("RGB") if image.mode == "RGBA" else image
    changed = _transformed(colours, profile) or colours.convert("RGB")
    if image.mode == "RGBA":
        changed.putalpha(image.getchannel("A"))
    return changed


def _transformed(image: Image.Image, profile: bytes) -> Image.Image | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _PROFILED.get(source.profile.xcolor_space.strip(), "")
        if (mode == "CMYK") != (image.mode == "CMYK") or not mode:
            return None
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image.convert(mode), source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


def encoded(image: Image.Image, content_type: str) -> bytes:
    """The file of a thumbnail, without metadata.

    Args:
        image: its pixels.
        content_type: ``image/webp`` keeps transparency; ``image/jpeg`` gets a white background.
    """
    if content_type == "image/jpeg" and image.mode == "RGBA":
        background = Image.new("RGB", image.size, "white")
        background.paste(image, mask=image.getchannel("A"))
        image = background
    image.info.clear()  # else Pillow writes the profile
    body = io.BytesIO()
    image.save(body, "JPEG" if content_type == "image/jpeg" else "WEBP", quality=_QUALITY)
    return body.getvalue()
