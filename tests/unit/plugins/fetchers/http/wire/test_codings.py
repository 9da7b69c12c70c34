"""Content codings that nobody asked for: honest ones are undone, names of none are ignored, the rest has its error."""

import asyncio
import contextlib
import gzip
import random
import struct
import zlib
from collections.abc import AsyncIterator, Sequence

import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import (
    BodyEmpty,
    BodyTooLarge,
    BodyTruncated,
    ContentEncodingBomb,
    ContentEncodingCorrupt,
    ContentEncodingNotAllowed,
    ContentEncodingTruncated,
    FetchError,
)
from lading.plugins.fetchers.http.wire.codings import Decoded, codings_of
from lading.plugins.testing.origin import Behaviour, Origin, answer, head, raw
from tests.unit.plugins.fetchers.support import fetch, http_fetcher

MIB = 1024 * 1024
IMAGE = random.Random(7).randbytes(45_000)
PNG_START = b"\x89PNG\r\n\x1a\n" + IMAGE
JPEG_START = b"\xff\xd8\xff\xe0" + IMAGE


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def stored_blocks(data: bytes) -> bytes:
    """A gzip file whose data is not compressed, in blocks of a kilobyte with an empty one before each."""
    blocks = b"".join(
        b"\x00\x00\x00\xff\xff" + struct.pack("<BHH", 0, len(part), len(part) ^ 0xFFFF) + part
        for part in (data[start : start + 1024] for start in range(0, len(data), 1024))
    )
    return gzip.compress(b"")[:10] + blocks + b"\x03\x00" + struct.pack("<II", zlib.crc32(data), len(data))


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "codings"),
    [
        ([], ()),
        ([b""], ()),
        ([b"identity"], ()),
        ([b" Identity , identity"], ()),
        ([b","], ()),
        ([b"gzip"], ("gzip",)),
        ([b"GZip"], ("gzip",)),
        ([b"x-gzip"], ("gzip",)),
        ([b"deflate"], ("deflate",)),
        ([b"gzip, deflate"], ("gzip", "deflate")),
        ([b"gzip", b"deflate"], ("gzip", "deflate")),
        ([b"identity, gzip"], ("gzip",)),
        # What servers write there that is no coding.
        ([b"aws-chunked"], ()),
        ([b"aws-chunked, gzip"], ("gzip",)),
        ([b"gzip,aws-chunked"], ("gzip",)),
        ([b"UTF-8"], ()),
        ([b"none"], ()),
        ([b"binary"], ()),
        ([b"image/png"], ()),
        ([b"base64"], ()),
        ([b"compress"], ()),
        ([b'"gzip"'], ()),
        ([b"gzip;q=1"], ()),
        ([b"\xff"], ()),
        ([b"brotli"], ()),
        ([b"gzip," * 5], ("gzip",) * 5),
    ],
)
def test_names_of_codings(values: Sequence[bytes], codings: tuple[str, ...]) -> None:
    assert codings_of(values) == codings


@pytest.mark.parametrize(
    ("values", "quoted"),
    [
        ([b"br"], "br"),
        ([b"BR"], "BR"),
        ([b"zstd"], "zstd"),
        ([b"dcb"], "dcb"),
        ([b"gzip, br"], "gzip, br"),
        ([b"gzip", b"zstd"], "gzip, zstd"),
        ([b"br,'\x1b[31m\xff"], "br,??[31m?"),
        ([b"br," + b"x" * 100], "br," + "x" * 61),
        ([b"gzip," * 6], "gzip," * 6),
    ],
)
def test_codings_that_cannot_be_undone_are_quoted(values: Sequence[bytes], quoted: str) -> None:
    with pytest.raises(ContentEncodingNotAllowed) as caught:
        codings_of(values)
    assert f"'{quoted}'" in caught.value.detail
    assert not caught.value.retryable


@pytest.mark.parametrize("value", ["aws-chunked", "UTF-8", "x", "identity, none", ""])
@pytest.mark.gen_test
async def test_a_name_of_no_coding_leaves_the_bytes_as_they_are(value: str) -> None:
    async with Origin({"/a": answer(PNG_START, headers={"Content-Encoding": value})}) as origin:
        async with http_fetcher() as fetcher, fetcher.open(Source(origin.url("/a"))) as fetched:
            assert fetched.content_length == len(PNG_START)
            assert b"".join([piece async for piece in fetched.chunks]) == PNG_START


# --- honest ones ------------------------------------------------------------------------------------------------------

HONEST = {
    "gzip": ("gzip", gzip.compress(IMAGE)),
    "gzip with a name and a comment": (
        "gzip",
        b"\x1f\x8b\x08\x18" + bytes(6) + b"a.png\0b\0" + gzip.compress(IMAGE)[10:],
    ),
    "gzip in stored blocks": ("gzip", stored_blocks(IMAGE)),
    "gzip in several members": ("gzip", gzip.compress(IMAGE[:9]) + gzip.compress(b"") + gzip.compress(IMAGE[9:])),
    "gzip in blocks": ("gzip", gzip.compress(IMAGE[:20_000]) + gzip.compress(IMAGE[20_000:]) + gzip.compress(b"") * 9),
    "gzip and zeros behind it": ("gzip", gzip.compress(IMAGE) + bytes(700)),
    "gzip and something behind it": ("gzip", gzip.compress(IMAGE) + b"\x1fnothing"),
    "zlib": ("deflate", zlib.compress(IMAGE)),
    "zlib with a small window": ("deflate", zlib.compress(IMAGE, 9, wbits=9)),
    "raw deflate": ("deflate", raw_deflate(IMAGE)),
    "raw deflate of zeros": ("deflate", raw_deflate(bytes(700_000))),
    "deflate and something behind it": ("deflate", zlib.compress(IMAGE) + b"more"),
    "two codings": ("deflate, gzip", gzip.compress(zlib.compress(IMAGE))),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(IMAGE))),
    "five": (
        "gzip, deflate, gzip, x, deflate, gzip",
        gzip.compress(zlib.compress(gzip.compress(raw_deflate(gzip.compress(IMAGE))))),
    ),
}


def plain(name: str) -> bytes:
    return bytes(700_000) if "zeros" in name and "raw" in name else IMAGE


@pytest.mark.parametrize(("name", "coding", "encoded"), [(name, *case) for name, case in HONEST.items()], ids=HONEST)
@pytest.mark.gen_test
async def test_honest_codings_are_undone(name: str, coding: str, encoded: bytes) -> None:
    chunked = {"Content-Encoding": coding, "Transfer-Encoding": "chunked"}
    routes: dict[str, Behaviour] = {
        "/length": answer(encoded, headers={"Content-Encoding": coding}),
        "/chunks": raw(head(headers=chunked) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(encoded), encoded), keep=True),
        "/close": raw(head(headers={"Content-Encoding": coding}) + encoded),
    }
    async with Origin(routes) as origin, http_fetcher() as fetcher:
        for path in routes:
            async with fetcher.open(Source(origin.url(path))) as fetched:
                assert fetched.content_length is None, "the length is that of the encoded bytes"
                assert b"".join([piece async for piece in fetched.chunks]) == plain(name)


@pytest.mark.gen_test
async def test_a_whole_range_counts_encoded_bytes() -> None:
    encoded = gzip.compress(IMAGE)
    message = (
        f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-{len(encoded) - 1}/{len(encoded)}\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(encoded)}\r\n\r\n"
    )
    async with Origin({"/a": raw(message.encode() + encoded)}) as origin, http_fetcher() as fetcher:
        assert await fetch(fetcher, origin.url("/a")) == IMAGE


@pytest.mark.sampled(4)
@pytest.mark.parametrize("size", [7, 1000])
@pytest.mark.parametrize("name", HONEST)
@pytest.mark.gen_test
async def test_the_cuts_of_the_wire_do_not_matter(name: str, size: int) -> None:
    coding, encoded = HONEST[name]
    pieces = await decoded(encoded, coding, size)
    assert b"".join(pieces) == plain(name)
    assert all(0 < len(piece) <= MIB for piece in pieces)


async def decoded(encoded: bytes, coding: str, size: int, *, max_bytes: int = 32 * MIB) -> list[bytes]:
    async def wire() -> AsyncIterator[bytes]:
        for start in range(0, len(encoded), size):
            yield encoded[start : start + size]

    codings = codings_of([coding.encode()])
    return [piece async for piece in Decoded(wire(), codings, max_bytes, is_framed=True)]


# --- others -----------------------------------------------------------------------------------------------------------

BROKEN: dict[str, tuple[str, bytes, type[FetchError]]] = {
    "a PNG": ("gzip", PNG_START, ContentEncodingCorrupt),
    "a JPEG": ("gzip", JPEG_START, ContentEncodingCorrupt),
    "a PNG, as deflate": ("deflate", PNG_START, ContentEncodingCorrupt),
    "a JPEG, as deflate": ("deflate", JPEG_START, ContentEncodingCorrupt),
    "zlib, as gzip": ("gzip", zlib.compress(IMAGE), ContentEncodingCorrupt),
    "gzip, as deflate": ("deflate", gzip.compress(IMAGE), ContentEncodingCorrupt),
    "gzip, said to be so twice": ("gzip, gzip", gzip.compress(IMAGE), ContentEncodingCorrupt),
    "wrong checksum": ("gzip", gzip.compress(IMAGE)[:-8] + bytes(8), ContentEncodingCorrupt),
    "wrong checksum of zlib": ("deflate", zlib.compress(IMAGE)[:-1] + b"\xff", ContentEncodingCorrupt),
    "damaged": ("gzip", gzip.compress(b"")[:10] + b"\x07" * 40, ContentEncodingCorrupt),
    "a damaged second member": ("gzip", gzip.compress(IMAGE) + b"\x1f\x8b\x09" + bytes(40), ContentEncodingCorrupt),
    "endless empty members": ("gzip", gzip.compress(b"") * 30, ContentEncodingCorrupt),
    "cut": ("gzip", gzip.compress(IMAGE)[:20_000], ContentEncodingTruncated),
    "cut in the header": ("gzip", gzip.compress(IMAGE)[:7], ContentEncodingTruncated),
    "one byte": ("gzip", b"\x1f", ContentEncodingTruncated),
    "cut before the checksum": ("gzip", gzip.compress(IMAGE)[:-8], ContentEncodingTruncated),
    "cut in the second member": ("gzip", (gzip.compress(IMAGE) * 2)[:-9], ContentEncodingTruncated),
    "cut zlib": ("deflate", zlib.compress(IMAGE)[:-5], ContentEncodingTruncated),
    "cut deflate": ("deflate", raw_deflate(IMAGE)[:-5], ContentEncodingTruncated),
    "cut within": ("gzip, deflate", zlib.compress(gzip.compress(IMAGE)[:-9]), ContentEncodingTruncated),
    "empty": ("gzip", gzip.compress(b""), BodyEmpty),
    "bomb": ("gzip", gzip.compress(bytes(4 * MIB)), ContentEncodingBomb),
    "zlib bomb": ("deflate", zlib.compress(bytes(4 * MIB)), ContentEncodingBomb),
    "raw bomb": ("deflate", raw_deflate(bytes(4 * MIB)), ContentEncodingBomb),
    "bomb in a bomb": ("gzip, gzip", gzip.compress(gzip.compress(bytes(16 * MIB))), ContentEncodingBomb),
    "bomb in many members": ("gzip", gzip.compress(bytes(64 * 1024)) * 900, ContentEncodingBomb),
    "too large": ("gzip", gzip.compress(IMAGE * 60), BodyTooLarge),
}


@pytest.mark.parametrize(("coding", "encoded", "error"), BROKEN.values(), ids=BROKEN)
@pytest.mark.gen_test
async def test_other_bodies_have_their_error(coding: str, encoded: bytes, error: type[FetchError]) -> None:
    behaviour = answer(encoded, headers={"Content-Encoding": coding})
    async with Origin({"/a": behaviour}) as origin, http_fetcher(max_bytes=2 * MIB) as fetcher:
        with pytest.raises(FetchError) as caught:
            await fetch(fetcher, origin.url("/a"))
    assert type(caught.value) is error
    assert not caught.value.retryable
    assert caught.value.detail


@pytest.mark.gen_test
async def test_a_cut_that_nobody_could_tell_from_the_end_is_retried() -> None:
    cut = raw(head(headers={"Content-Encoding": "gzip"}) + gzip.compress(IMAGE)[:-9])
    async with Origin({"/a": cut}) as origin, http_fetcher() as fetcher:
        with pytest.raises(BodyTruncated) as caught:
            await fetch(fetcher, origin.url("/a"))
    assert caught.value.retryable


@pytest.mark.gen_test
async def test_a_bomb_gives_little() -> None:
    given = 0
    body = Decoded(once(gzip.compress(bytes(16 * MIB))), ("gzip",), 32 * MIB, is_framed=True)
    with contextlib.suppress(ContentEncodingBomb):
        async for piece in body:
            given += len(piece)
    assert given <= MIB + 64 * 1024


async def once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


@pytest.mark.gen_test
async def test_other_work_has_its_turn_while_much_is_decoded() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(count())
    await decoded(gzip.compress(IMAGE[:3072] * 1024), "gzip", MIB)
    other.cancel()
    assert turns >= 3 * MIB // (256 * 1024) - 1
