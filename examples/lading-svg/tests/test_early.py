"""Which files are refused by their first bytes: never one that is SVG."""

import pytest

from lading.plugins.testing import Sample
from lading_svg.prolog import may_begin
from lading_svg.samples import samples
from tests.accepted import ACCEPTED

SIZES = [1, 2, 3, 5, 64, 512, 4096]
OTHERS = {
    "html": b"<!DOCTYPE html><html><svg/></html>",
    "html without a document type": b" \n<HTML lang=en><svg/>",
    "text": b"an <svg/>",
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff\xe0",
    "svgz": b"\x1f\x8b\x08",
    "json": b"{}",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_svg_is_not_refused(name: str) -> None:
    document = ACCEPTED[name]
    data = document if isinstance(document, bytes) else document.encode()
    assert all(may_begin(data[:size]) for size in SIZES)


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_no_sample_is_refused(sample: Sample) -> None:
    assert all(may_begin(sample.data[:size]) for size in SIZES)


@pytest.mark.parametrize("name", OTHERS)
def test_others_are(name: str) -> None:
    assert not may_begin(OTHERS[name].ljust(64))
