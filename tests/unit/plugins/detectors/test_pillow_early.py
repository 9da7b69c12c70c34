"""Which files the ``pillow`` detector refuses by their first bytes: never one that it would name or accept."""

import random

import pytest

from lading.plugins.capabilities import LONGEST_HEAD
from lading.plugins.detectors.pillow.detector import PillowDetector, PillowOptions
from lading.plugins.testing import images

SIZES = [64, 100, 512, 1024, 2048, LONGEST_HEAD]


def could_be(head: bytes) -> bool:
    return PillowDetector(PillowOptions()).could_be(head)


@pytest.mark.parametrize("name", images.SAMPLE_NAMES)
@pytest.mark.gen_test
async def test_a_good_image_is_not_refused(name: str) -> None:
    data = images.sample(name).data
    assert all(could_be(data[:size]) for size in SIZES)


@pytest.mark.parametrize("name", images.FOREIGN)
@pytest.mark.gen_test
async def test_an_image_of_another_format_is_left_to_detection(name: str) -> None:
    data = images.FOREIGN[name][1].ljust(LONGEST_HEAD, b" ")
    assert all(could_be(data[:size]) for size in SIZES)


LATE_SVG = {
    "a comment": b"<!-- " + b"x" * 3000 + b" --><svg/>",
    "a declaration": b'<?xml version="1.0"?>' + b"\n" * 3000 + b"<svg/>",
    "a document type": b"<!DOCTYPE svg PUBLIC '" + b"x" * 2000 + b"'><svg/>",
    "a mark": b"\xef\xbb\xbf<!--" + b"x" * 3000 + b"--><svg/>",
    "at once": b"<svg " + b"a='b' " * 800,
}


@pytest.mark.parametrize("name", LATE_SVG)
@pytest.mark.gen_test
async def test_svg_is_named_however_late_it_begins(name: str) -> None:
    data = LATE_SVG[name].ljust(LONGEST_HEAD, b" ")
    assert all(could_be(data[:size]) for size in SIZES)


PART = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 30000\r\n\r\n" + images.jpeg()
AT_ONCE = {
    "multipart": PART,
    "multipart behind an empty line": b"\r\n" + PART,
    "multipart with bare line feeds": PART.replace(b"\r\n", b"\n"),
    "multipart with an odd boundary": PART.replace(b"--frame", b"----=_Part 1.2/(x)'"),
    "html": b"<!DOCTYPE html>\n<html lang=en><head>".ljust(64),
    "html without a document type": b"  <HTML><head><title>Login</title>".ljust(64),
    "a redirect by script": b"<script>location='https://login.example/'</script>".ljust(64),
    "an old page": b"<title>404</title><body bgcolor=white>".ljust(64),
    "a paragraph": b"<p >not here".ljust(64),
}


@pytest.mark.parametrize("data", AT_ONCE.values(), ids=AT_ONCE)
@pytest.mark.gen_test
async def test_pages_and_parts_are_refused_at_once(data: bytes) -> None:
    assert not could_be(data[:100])
    assert not could_be(data.ljust(LONGEST_HEAD))


WITH_TIME = {
    "events": b'data: {"temperature": 21}\n\n',
    "a log": "2026-08-01 12:00:00 größer\n".encode(),
    "json": b'{"error": "not found"},\n',
    "csv": b"a;b;c\r\n1;2;3\r\n",
    "xml": b"<rss version='2.0'><channel>",
    "base64 of a picture": b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB",
    "colours of a terminal": b"\x1b[31mred\x1b[0m",
}


@pytest.mark.parametrize("line", WITH_TIME.values(), ids=WITH_TIME)
@pytest.mark.gen_test
async def test_text_is_refused_where_there_is_enough_of_it(line: bytes) -> None:
    data = line * 400
    assert could_be(data[:64])
    assert not could_be(data[:512])
    assert not could_be(data[:LONGEST_HEAD])


AT_LAST = {
    "html behind a comment": b"<!-- " + b"x" * 600 + b" --><html>",
    "a feed": b'<?xml version="1.0"?><rss/>' + b" " * 600,
    "a radio": b"\xff\xfb\x90\x64" + random.Random(1).randbytes(5000),
    "a video": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(5000),
    "a container": b"\x1a\x45\xdf\xa3" + bytes(5000),
    "an archive": b"PK\x03\x04" + random.Random(2).randbytes(5000),
    "zeros": bytes(5000),
    "noise": b"\x80" + random.Random(3).randbytes(5000),
    "text that begins as a bitmap does": b"BM is two letters" + b"." * 5000,
}


@pytest.mark.parametrize("data", AT_LAST.values(), ids=AT_LAST)
@pytest.mark.gen_test
async def test_the_rest_is_refused_by_as_much_as_detection_reads(data: bytes) -> None:
    data = data.ljust(LONGEST_HEAD)
    assert could_be(data[:64])
    assert not could_be(data[:LONGEST_HEAD])
