"""Refused images are remembered, and few of them."""

import pytest

from lading.plugins.errors import ImageCorrupt, ImageTooComplex, PluginError, PluginFault
from lading.service.images.thumbnails.refusals import Refusals


def test_the_oldest_refusal_is_forgotten_beyond_a_number() -> None:
    refusals = Refusals(most=2)
    for name in ("a", "b", "a", "c"):
        assert refusals.add(name, 160, ImageCorrupt("broken")).code == "image_corrupt"
    assert [name for name in "abc" if refusals.of(name, 160)] == ["a", "c"]


@pytest.mark.parametrize(("error", "seconds"), [(ImageCorrupt("broken"), 900), (PluginFault("broken"), 10)])
def test_a_fault_of_a_detector_holds_shortly_and_a_verdict_about_an_image_longer(
    error: PluginError, seconds: float
) -> None:
    now = 0.0
    refusals = Refusals(clock=lambda: now)
    refusals.add("a", 160, error)
    now = seconds - 1
    assert refusals.of("a", 1200) is not None
    now = seconds
    assert refusals.of("a", 1200) is None


def test_an_image_that_costs_too_much_is_refused_from_that_size_on() -> None:
    refusals = Refusals()
    for side, refused in ((480, [480, 1200]), (1200, [1200]), (160, [160, 480, 1200])):
        refusals.add("a", side, ImageTooComplex(resource="memory"))
        assert [one for one in (160, 480, 1200) if refusals.of("a", one)] == refused
