"""The placeholder of an image: its ThumbHash is that of the reference, its colour that of most of it."""

import base64

import pytest
from PIL import Image

from lading.plugins.detectors.pillow.thumbnails.placeholder import SIDE, dominant_colour, thumbhash

REFERENCE = {
    (32, 24, False): "HegFFYREQCZkYkdkg1lXZquJX5/n",
    (23, 32, False): "HugFFQQFRUNlhmNXhFh3ZaxX3wPr",
    (100, 7, False): "XggGGYI0NgdjZ1aGaZ8N5ow=",
    (32, 11, True): "HfiBEoQnCtKXsmVqX07PdAVpR6iIeYc=",
    (17, 32, True): "X/iBCwQXQIKSKZbvRKswiWJnAXdBCCU=",
    (32, 32, True): "HviBDQIXaLCUdbdUh+9kXm/kFVlFoEZjcw==",
}
"""What rgbaToThumbHash of the npm package thumbhash 0.1.1 makes of ``picture``, by its arguments."""


def picture(width: int, height: int, has_alpha: bool) -> Image.Image:
    places = [(x, y) for y in range(height) for x in range(width)]
    pixels = (
        (x * x * 7 + y * 5, y * y * 3 + x * 11, x * y * 13 + x, x * 9 + y * y if has_alpha else 255) for x, y in places
    )
    return Image.frombytes("RGBA", (width, height), bytes(value % 256 for pixel in pixels for value in pixel))


@pytest.mark.parametrize("shape", REFERENCE)
def test_the_reference_makes_the_same(shape: tuple[int, int, bool]) -> None:
    assert base64.b64encode(thumbhash(picture(*shape))).decode() == REFERENCE[shape]


@pytest.mark.parametrize("size", [(SIDE, 8), (SIDE, SIDE)])
@pytest.mark.parametrize("colour", [(255, 255, 255, 255), (0, 0, 0, 0), (9, 200, 30, 128)])
def test_a_single_colour_has_no_waves(size: tuple[int, int], colour: tuple[int, int, int, int]) -> None:
    made = thumbhash(Image.new("RGBA", size, colour))
    assert len(made) <= 30
    assert int.from_bytes(made[:3], "little") >> 18 & 31 == 0, "the scale of the luminance"


@pytest.mark.parametrize(
    ("areas", "expected"),
    [
        ([((200, 30, 40, 255), 20), ((10, 20, 200, 255), 12)], "#c81e28"),
        ([((200, 30, 40, 100), 25), ((10, 20, 200, 255), 7)], "#0a14c8"),
        ([((200, 30, 40, 0), 32)], None),
        ([((241, 241, 241, 255), 12), ((243, 243, 243, 255), 12), ((9, 9, 9, 255), 8)], "#f2f2f2"),
    ],
    ids=["most of it", "what is transparent does not count", "nothing is opaque", "similar colours are one"],
)
def test_the_dominant_colour(areas: list[tuple[tuple[int, int, int, int], int]], expected: str | None) -> None:
    image = Image.new("RGBA", (32, 8))
    left = 0
    for colour, width in areas:
        image.paste(colour, (left, 0, left + width, 8))
        left += width
    assert dominant_colour(image) == expected
