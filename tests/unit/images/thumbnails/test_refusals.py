"""Refused images are remembered, and few of them."""

from lading.plugins.errors import ImageCorrupt
from lading.service.images.thumbnails.refusals import Refusals


def test_the_oldest_refusal_is_forgotten_beyond_a_number() -> None:
    refusals = Refusals(most=2)
    for name in ("a", "b", "a", "c"):
        assert refusals.add(name, ImageCorrupt("broken")).code == "image_corrupt"
    assert [name for name in "abc" if refusals.of(name)] == ["a", "c"]
