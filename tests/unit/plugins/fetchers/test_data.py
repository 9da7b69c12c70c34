import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.plugins.contracts import Source
from lading.plugins.errors import DataUrlInvalid
from lading.plugins.fetchers.data import DataFetcher, DataOptions, _base64_decoded, _percent_decoded
from tests.unit.plugins.fetchers.support import fetch

FETCHER = DataFetcher(DataOptions(max_bytes=200_000))
GIF = bytes.fromhex("47494638396101000100800000000000ffffff2c00000000010001000002024401003b")


@pytest.mark.parametrize(
    ("url", "body", "content_type"),
    [
        ("data:image/gif;base64," + base64.b64encode(GIF).decode(), GIF, "image/gif"),
        ("DATA:IMAGE/GIF;BASE64," + base64.b64encode(GIF).decode(), GIF, "image/gif"),
        ("data:image/gif;name=a.gif;base64,QUI=", b"AB", "image/gif"),
        ("data:;base64,QUI=", b"AB", None),
        ("data:;base64,QUI%3D", b"AB", None),
        ("data:;charset=utf-8,AB", b"AB", None),
        ("data:,A%42%00+/=", b"AB\x00+/=", None),
        ("data:image/svg+xml,%3Csvg/%3E#top", b"<svg/>", "image/svg+xml"),
        ("data:text/plain,a,b", b"a,b", "text/plain"),
        # As WHATWG Fetch has it (sections 6 and, for base64, Infra 7): white space, and padding that is missing.
        (" \n\u00a0data:;base64,QUI=\r\n", b"AB", None),
        ("da\nta:image/gif;ba\tse64,QUI=", b"AB", "image/gif"),
        ("data:;base64,QU I=", b"AB", None),
        ("data:;base64,Q\r\nU\tI", b"AB", None),
        ("data:;base64,QUI%0A%20%0C", b"AB", None),
        ("data:;base64,QUI", b"AB", None),
        ("data:;base64,QQ", b"A", None),
        ("data:;base64,QR==", b"A", None),
        ("data:;base64,QUJD", b"ABC", None),
        ("data:image/gif; base64,QUI=", b"AB", "image/gif"),
        ("data:image/gif;  BASE64  ,QUI=", b"AB", "image/gif"),
        ("data: image/gif ;base64,QUI=", b"AB", "image/gif"),
        ("data:image/gif;charset,AB", b"AB", "image/gif"),
        ("data:image;base64,QUI=", b"AB", None),
        ("data:;nonsense,AB", b"AB", None),
        ("data:image/gif;base64;x=y,QUI=", b"QUI=", "image/gif"),
        ("data:image/gif;xbase64,QUI=", b"QUI=", "image/gif"),
        ("data:,a b", b"a b", None),
        ("data:,a\nb", b"ab", None),
        ("data:,%4\n1", b"A", None),
        ("data:,é%zz%4%", "é%zz%4%".encode(), None),
    ],
)
@pytest.mark.gen_test
async def test_data_is_decoded(url: str, body: bytes, content_type: str | None) -> None:
    FETCHER.check(Source(url))
    async with FETCHER.open(Source(url)) as fetched:
        assert b"".join([chunk async for chunk in fetched.chunks]) == body
        assert fetched.content_type == content_type
        assert fetched.filename is None


@pytest.mark.parametrize(
    "url",
    [
        "data:",
        "data:image/gif",
        "data:image/gif;base64",
        "data:image/gif#,AB",
        "date:,AB",
        "data",
        "data:," + "a" * 1_000_000,
    ],
)
@pytest.mark.gen_test
async def test_malformed_urls_are_refused_before_the_fetch_and_at_it(url: str) -> None:
    with pytest.raises(DataUrlInvalid):
        FETCHER.check(Source(url))
    with pytest.raises(DataUrlInvalid):
        await fetch(FETCHER, url)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (";base64,QUI==", "its base64 goes on after the padding"),
        (";base64,QQ==QQ==", "its base64 goes on after the padding"),
        (";base64,QQ=", "its base64 is not valid"),
        (";base64,Q=I=", "its base64 is not valid"),
        (";base64,====", "its base64 is not valid"),
        (";base64,Q", "its base64 ends within a byte"),
        (";base64,QUJDQ", "its base64 ends within a byte"),
        (";base64,Q===", "its base64 is not valid"),
        (";base64,-_AA", "its base64 is not valid"),
        (";base64,QU%00I", "its base64 is not valid"),
        (";base64,QU\u00a0I", "its base64 is not valid"),
        (";base64, %20", "it holds no data"),
        (",", "it holds no data"),
        (";base64,", "it holds no data"),
        (",#a", "it holds no data"),
        ("," + "a" * 200_001, "it holds more than 200000 bytes"),
    ],
)
@pytest.mark.gen_test
async def test_faults_in_the_data_are_named(data: str, reason: str) -> None:
    with pytest.raises(DataUrlInvalid) as caught:
        await fetch(FETCHER, "data:" + data)
    assert caught.value.facts["reason"] == reason


@pytest.mark.parametrize("size", [0, 1, 2, 16383, 16384, 16385, 32768, 49151, 100_000])
@pytest.mark.gen_test
async def test_slices_join_without_a_seam(size: int) -> None:
    body = b"\x00" + bytes(range(256)) * (size // 256 + 1)
    body = body[: size + 1]
    encoded = base64.b64encode(body).decode()
    escaped = "".join(f"%{byte:02x}" for byte in body)
    assert await fetch(FETCHER, "data:;base64," + encoded) == body
    assert await fetch(FETCHER, "data:;base64," + encoded.replace("=", "%3D").replace("A", "%41")) == body
    assert await fetch(FETCHER, "data:," + escaped) == body


@pytest.mark.gen_test
async def test_a_body_of_exactly_the_limit_passes() -> None:
    assert len(await fetch(FETCHER, "data:," + "%41" * 200_000)) == 200_000


@pytest.mark.parametrize("width", [1, 3, 76, 16384])
@pytest.mark.gen_test
async def test_line_breaks_and_missing_padding_change_nothing(width: int) -> None:
    body = bytes(range(256)) * 100 + b"x"
    encoded = base64.b64encode(body).decode().rstrip("=")
    for end in ("\n", "\r\n", " ", "%0A"):
        lines = end.join(encoded[start : start + width] for start in range(0, len(encoded), width))
        if len(lines) < 100_000:
            assert await fetch(FETCHER, "data:;base64," + lines + end) == body


@given(st.text("%aA0=+ \n"))
def test_decoders_raise_only_refusals(text: str) -> None:
    for pieces in (_percent_decoded(text), _base64_decoded(_percent_decoded(text))):
        try:
            b"".join(pieces)
        except DataUrlInvalid:
            continue


@pytest.mark.gen_test
async def test_closing_twice_is_harmless() -> None:
    await FETCHER.close()
    await FETCHER.close()
