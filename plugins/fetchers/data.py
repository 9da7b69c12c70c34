"""Takes the image out of a ``data:`` URL (RFC 2397)."""

import asyncio
import binascii
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from urllib.parse import unquote_to_bytes

from pydantic import Field

from ..contracts import Fetched, Fetcher, Source
from ..errors import DataUrlInvalid
from ..options import PluginOptions
from .http.clock import fetcher_closed

# A slice is decoded in less than a millisecond, even where every character of it is escaped.
_SLICE_CHARACTERS = 16 * 1024
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TYPE = r"[!#$&^_.+0-9A-Za-z-]{1,63}/[!#$&^_.+0-9A-Za-z-]{1,63}"
_HEADER = re.compile(rf"(?P<type>{_TYPE})?(?:;[^;,=]+=[^;,]*)*(?P<base64>;base64)?", re.IGNORECASE)


class DataOptions(PluginOptions):
    """The options of the ``data`` fetcher: section ``[fetch.data]`` of ``service.conf``."""

    max_bytes: int = Field(
        default=1024**2,
        ge=1,
        le=32 * 1024**2,
        description=(
            "Longest image in a data: URL, in bytes. The whole URL must also fit into body_max_bytes of [service]."
        ),
    )


class DataFetcher(Fetcher):
    """See ``Fetcher``.

    Decoding is strict: base64 with its padding (RFC 4648 section 4), valid escapes only, and no spaces.
    """

    contract_version = 1
    kind = "data"
    schemes = frozenset({"data"})
    Options = DataOptions

    def __init__(self, options: DataOptions) -> None:
        self._options = options
        self._closed = False

    def check(self, source: Source) -> None:
        """See ``Fetcher.check``: the head of the URL is looked at; its data not before the fetch."""
        _split(source.url, self._options.max_bytes)

    @contextlib.asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        """See ``Fetcher.open``. ``Fetched.chunks`` may raise ``DataUrlInvalid``."""
        media_type, is_base64, data = _split(source.url, self._options.max_bytes)
        self._refuse_if_closed()
        pieces = _percent_decoded(data)
        if is_base64:
            pieces = _base64_decoded(pieces)
        async with contextlib.aclosing(self._chunks(pieces)) as chunks:
            yield Fetched(chunks=chunks, content_type=media_type)

    async def close(self) -> None:
        """See ``Fetcher.close``. Nothing is released; fetches under way end with a ``FetchError``."""
        self._closed = True

    async def _chunks(self, pieces: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
        size = 0
        for piece in pieces:
            self._refuse_if_closed()
            size += len(piece)
            if size > self._options.max_bytes:
                raise _too_large(self._options.max_bytes)
            if piece:
                yield piece
            await asyncio.sleep(0)  # others have their turn between two slices
        if not size:
            raise DataUrlInvalid(reason="it holds no data")

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise fetcher_closed()


def _split(url: str, max_bytes: int) -> tuple[str | None, bool, str]:
    """Media type in lower case, whether the data is base64, and the data, still encoded and without a fragment."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise DataUrlInvalid(reason="it holds a space or a character that must be percent-encoded")
    scheme, colon, rest = url.partition(":")
    if not colon or scheme.lower() != "data":
        raise DataUrlInvalid(reason="it does not begin with data:")
    header, comma, data = rest.partition(",")
    match = _HEADER.fullmatch(header) if comma else None
    if match is None:
        raise DataUrlInvalid(reason="it does not have the form data:[type][;parameters][;base64],data")
    # An escape takes three characters, and base64 four for three bytes: nothing takes more than four for one byte.
    if len(data) > 4 * max_bytes + _SLICE_CHARACTERS:
        raise _too_large(max_bytes)
    media_type = match["type"]
    return media_type and media_type.lower(), match["base64"] is not None, data.partition("#")[0]


def _too_large(max_bytes: int) -> DataUrlInvalid:
    return DataUrlInvalid(reason=f"it holds more than {max_bytes} bytes")


def _percent_decoded(data: str) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = start + _SLICE_CHARACTERS
        # No escape is cut in two.
        cut = data.rfind("%", end - 2, end)
        piece = data[start : cut if start < cut and end < len(data) else end]
        if _BAD_ESCAPE.search(piece):
            raise DataUrlInvalid(reason="it holds an invalid percent escape")
        yield unquote_to_bytes(piece)
        start += len(piece)


def _base64_decoded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        text = rest + piece
        # The last group stays back: only there may padding be.
        cut = max(len(text) - 1, 0) // 4 * 4
        text, rest = text[:cut], text[cut:]
        if b"=" in text:
            raise DataUrlInvalid(reason="its base64 goes on after the padding")
        yield _base64(text)
    yield _base64(rest)


def _base64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise DataUrlInvalid(reason="its base64 is not valid") from error
