"""What the Pillow detector makes thumbnails of, held against what Pillow computes from the whole image."""

import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image, ImageChops, ImageCms, ImageStat

from lading.plugins.detectors.pillow.cost import Costly
from lading.plugins.detectors.pillow.detector import PillowOptions
from lading.plugins.detectors.pillow.limits import Refused
from lading.plugins.detectors.pillow.thumbnails import rendering
from lading.plugins.detectors.pillow.thumbnails.making import make
from lading.plugins.detectors.pillow.thumbnails.rendering import Plan
from lading.plugins.errors import DetectError
from lading.plugins.testing import images
from tests.unit.plugins.detectors.harness import running

SIDE: Final = 40
JPEG, WEBP = "image/jpeg", "image/webp"
TURNS: Final = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What makes of an upright image the stored one with this orientation: the reverse of what a viewer does."""


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    body = io.BytesIO()
    image.save(body, kind, **options)
    return body.getvalue()


def made(folder: Path, data: bytes, content_type: str = WEBP, side: int = SIDE) -> Image.Image:
    """The decoded thumbnail, in the test's own process."""
    return opened(made_bytes(folder, data, content_type, side))


def made_bytes(folder: Path, data: bytes, content_type: str = WEBP, side: int = SIDE, **limits: Any) -> bytes:
    path = folder / "image"
    path.write_bytes(data)
    with path.open("rb") as file:
        return make(file, replace(PillowOptions().limits, **limits), side, content_type, may_be_costly=True)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@cache
def picture(mode: str, width: int = 400, height: int = 200) -> Image.Image:
    """Smooth shades, other ones in each band and each corner."""
    across = Image.linear_gradient("L").resize((width, height))
    down = Image.linear_gradient("L").rotate(90).resize((width, height))
    bands = (across, down, ImageChops.invert(across), Image.blend(across, down, 0.5))
    if mode == "P":
        return Image.merge("RGB", bands[:3]).quantize(64)
    if mode == "1":
        return across.convert("1")
    return Image.merge(mode, bands[: len(Image.new(mode, (1, 1)).getbands())])


def distance(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


def encoded(image: Image.Image, content_type: str) -> bytes:
    return encode(image, "WEBP" if content_type == WEBP else "JPEG", quality=80)


# --- pixels -----------------------------------------------------------------------------------------------------------


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, kind) for mode in ("1", "L", "P", "RGB") for kind in ("PNG", "TIFF", "GIF", "WEBP", "BMP")),
        *(("RGB", "AVIF"), ("RGB", "JPEG2000"), ("L", "JPEG"), ("RGB", "JPEG"), ("CMYK", "TIFF"), ("CMYK", "JPEG")),
    ],
)
def test_an_opaque_image_is_what_pillow_makes_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kind: str
) -> None:
    monkeypatch.setattr(rendering, "_STRIP_PIXELS", 4000)  # several strips
    data = encode(picture(mode), kind)
    whole = Image.open(io.BytesIO(data))
    drafted = whole.draft(None, (80, 40))
    expected = whole.convert("RGB").resize(
        (40, 20), Image.Resampling.LANCZOS, None if drafted is None else drafted[1], reducing_gap=2.0
    )
    expected.info.clear()
    assert made_bytes(tmp_path, data) == encoded(expected, WEBP)


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        *(("LA", "PNG", {}), ("RGBA", "PNG", {}), ("RGBA", "TIFF", {}), ("RGBA", "WEBP", {"lossless": True})),
        *(("RGBA", "AVIF", {}), ("P", "PNG", {"transparency": 3}), ("P", "GIF", {"transparency": 3})),
        *(("L", "PNG", {"transparency": 90}), ("RGBA", "JPEG2000", {})),
    ],
)
def test_transparency_stays_in_webp_and_is_white_in_jpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kind: str, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(rendering, "_STRIP_PIXELS", 4000)
    data = encode(picture(mode), kind, **options)
    whole = opened(data).convert("RGBA").convert("RGBa")
    expected = whole.resize((40, 20), Image.Resampling.LANCZOS, reducing_gap=2.0).convert("RGBA")
    expected.info.clear()
    assert made_bytes(tmp_path, data) == encoded(expected, WEBP)
    assert made(tmp_path, data).getchannel("A").tobytes() != b"\xff" * 800
    white = Image.new("RGB", expected.size, "white")
    white.paste(expected, mask=expected.getchannel("A"))
    assert made_bytes(tmp_path, data, JPEG) == encoded(white, JPEG)


def test_many_bits(tmp_path: Path) -> None:
    grey = picture("L")
    doubled = b"".join(bytes((0, value)) for value in grey.tobytes())
    for order, kind in (("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF")):
        samples = doubled if order == "I;16" else b"".join(bytes((value, 0)) for value in grey.tobytes())
        deep = Image.frombytes(order, grey.size, samples)
        assert made_bytes(tmp_path, encode(deep, kind)) == made_bytes(tmp_path, encode(grey, "PNG"))
    for mode in ("I", "F"):  # from black to white, whatever the numbers are
        deep = grey.convert(mode).point(lambda value: value * 1000 - 7000)
        assert distance(made(tmp_path, encode(deep, "TIFF")), made(tmp_path, encode(grey, "PNG"))) < 3
        assert made(tmp_path, encode(Image.new(mode, (9, 9), 5), "TIFF")).size == (9, 9)
    assert made(tmp_path, encode(Image.new("F", (9, 9), float("nan")), "TIFF")).size == (9, 9)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_the_first_frame(tmp_path: Path, kind: str) -> None:
    first, second = Image.new("RGB", (80, 40), "red"), Image.new("RGB", (80, 40), "blue")
    data = encode(first, kind, save_all=True, append_images=[second])
    assert distance(made(tmp_path, data), Image.new("RGB", (40, 20), "red")) < 8


def test_the_first_frame_of_the_odd_ones(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (80, 40), "red"), Image.new("RGB", (80, 40), "blue")
    animated = encode(second, "PNG", save_all=True, append_images=[first], default_image=True)
    assert distance(made(tmp_path, animated), Image.new("RGB", (40, 20), "red")) < 8
    views = encode(first, "MPO", save_all=True, append_images=[second])
    assert distance(made(tmp_path, views), Image.new("RGB", (40, 20), "red")) < 8
    icon = encode(Image.new("RGB", (64, 64), "red"), "ICO", sizes=[(16, 16), (64, 64)])
    assert distance(made(tmp_path, icon, JPEG), Image.new("RGB", (40, 40), "red")) < 8


def test_a_jpeg_without_its_end(tmp_path: Path) -> None:
    data = encode(picture("RGB"), "JPEG")
    assert made_bytes(tmp_path, data.removesuffix(b"\xff\xd9")) == made_bytes(tmp_path, data)


# --- sides and orientation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [160, 480, 1200])
@pytest.mark.parametrize(
    ("size", "share"),
    [((1, 1), 1), ((160, 90), 1), ((161, 90), 0), ((3000, 1), 0), ((1, 3000), 0), ((2400, 1600), 0), ((5000, 4999), 0)],
)
def test_sides(size: tuple[int, int], share: int, side: int) -> None:
    for is_jpeg in (True, False):
        plan = Plan.of(size, side, is_jpeg=is_jpeg)
        assert max(plan.size) == min(side, max(size))
        assert min(plan.size) >= 1
        assert abs(plan.size[0] / plan.size[1] - size[0] / size[1]) <= max(size) / min(plan.size)
        assert plan.draft == 1 or min(size[0] // plan.draft, size[1] // plan.draft) >= max(plan.size) * share
        if max(size) <= side:
            assert plan == Plan(size, 1, (1, 1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_stands_upright_and_tells_nothing(tmp_path: Path, kind: str) -> None:
    upright = picture("RGB")
    expected = upright.resize((40, 20), Image.Resampling.LANCZOS)
    for orientation, turn in TURNS.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = "A SECRET CAMERA"
        exif.get_ifd(0x8825)[1] = "N"
        stored = upright if turn is None else upright.transpose(turn)
        data = encode(stored, kind, exif=exif, **({"quality": 95} if kind != "PNG" else {}))
        for content_type in (WEBP, JPEG):
            content = made_bytes(tmp_path, data, content_type)
            thumbnail = opened(content)
            assert distance(thumbnail, expected) < 12, orientation
            assert not thumbnail.getexif()
            assert not thumbnail.getexif().get_ifd(0x8825)
            assert not {"exif", "icc_profile", "xmp", "comment", "photoshop"} & set(thumbnail.info)
            assert b"SECRET" not in content


# --- colours ----------------------------------------------------------------------------------------------------------


def exchanged() -> bytes:
    """A profile that shows what is red as green, and what is green as red."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    assert swapped != profile
    return swapped


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_profile_becomes_srgb(tmp_path: Path, kind: str) -> None:
    red = Image.new("RGB", (80, 40), (200, 20, 40))
    data = encode(red, kind, icc_profile=exchanged())
    for content_type in (WEBP, JPEG):
        thumbnail = made(tmp_path, data, content_type)
        assert "icc_profile" not in thumbnail.info
        assert distance(thumbnail, Image.new("RGB", (40, 20), (20, 200, 40))) < 12
    damaged = encode(red, kind, icc_profile=exchanged()[:200])
    assert distance(made(tmp_path, damaged), Image.new("RGB", (40, 20), (200, 20, 40))) < 12


def test_a_profile_keeps_transparency_and_fits_or_is_passed_over(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (80, 40), (200, 20, 40, 128))
    thumbnail = made(tmp_path, encode(clear, "PNG", icc_profile=exchanged()))
    assert distance(thumbnail, Image.new("RGB", (40, 20), (20, 200, 40))) < 12
    assert thumbnail.getchannel("A").getextrema() == (128, 128)
    inks = Image.new("CMYK", (80, 40), (0, 200, 200, 0))
    for kind in ("JPEG", "TIFF"):
        thumbnail = made(tmp_path, encode(inks, kind, icc_profile=exchanged()))
        assert distance(thumbnail, inks.convert("RGB").resize((40, 20))) < 12
    palette = Image.new("RGB", (80, 40), (200, 20, 40)).quantize(4)
    thumbnail = made(tmp_path, encode(palette, "PNG", icc_profile=exchanged()))
    assert distance(thumbnail, Image.new("RGB", (40, 20), (20, 200, 40))) < 12


# --- limits -----------------------------------------------------------------------------------------------------------


def test_it_is_judged_before_it_is_decoded(tmp_path: Path) -> None:
    data = encode(Image.new("RGB", (4000, 4000)), "PNG")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"max_side": 3999}, "side_too_long"),
        ({"max_pixels": 15_999_999}, "too_many_pixels"),
        ({"memory_limit": 1 << 27}, "image_too_complex"),
        ({"cpu_limit": 1}, "image_too_complex"),
        ({"formats": ("JPEG",)}, "format_not_allowed"),
    ]
    for limits, code in cases:
        with pytest.raises(Refused) as refused:
            made_bytes(tmp_path, data, **limits)
        assert refused.value.code == code
    with pytest.raises(Costly), (tmp_path / "image").open("rb") as file:
        make(file, PillowOptions().limits, SIDE, WEBP, may_be_costly=False)


def test_a_thumbnail_is_costly_by_what_is_decoded_and_by_what_is_encoded(tmp_path: Path) -> None:
    def is_costly(size: int, kind: str, side: int) -> bool:
        path = tmp_path / "image"
        path.write_bytes(encode(Image.new("RGB", (size, size)), kind))
        try:
            with path.open("rb") as file:
                make(file, PillowOptions().limits, side, WEBP, may_be_costly=False)
        except Costly:
            return True
        return False

    assert not is_costly(3500, "JPEG", 160), "a camera's picture in a gallery"
    assert not is_costly(1200, "PNG", 480)
    assert is_costly(1200, "PNG", 1200)
    assert is_costly(3500, "PNG", 160)
    assert not is_costly(100, "PNG", 1200), "it is not made larger"


@pytest.mark.gen_test(timeout=60)
async def test_processes_make_what_the_test_makes(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        for name in images.SAMPLE_NAMES:
            data = images.sample(name).data
            content_type = JPEG if "jpeg" in name else WEBP
            content = await harness.detector.thumbnail(harness.file(data), side=SIDE, content_type=content_type)
            assert content == made_bytes(tmp_path, data, content_type), name
        large = encode(images.noise(1200, 1200, "RGBA"), "PNG", compress_level=0)
        content = await harness.detector.thumbnail(harness.file(large), side=1200, content_type=WEBP)
        assert (opened(content).size, len(content) > 1 << 20) == ((1200, 1200), True)
        refused = {}
        truncated = {name: data for name, data in images.broken().items() if "truncated" in name}
        for name, data in truncated.items():
            try:  # the damage may be behind the first frame
                await harness.detector.thumbnail(harness.file(data), side=SIDE, content_type=WEBP)
            except DetectError as error:
                refused[name] = error.code
        assert set(refused.values()) == {"image_corrupt"}
        assert len(refused) > len(truncated) / 2
        assert (await harness.detect(images.jpeg())).format == "JPEG"
