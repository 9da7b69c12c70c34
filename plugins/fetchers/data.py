"""Takes the image out of a ``data:`` URL, as the WHATWG Fetch Standard says (section 6)."""

import asyncio
import binascii
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from urllib.parse import unquote_to_bytes

from pydantic import Field

from ..capabilities import SupportsLongUrls
from ..contracts import Fetched, Fetcher, Source
from ..errors import DataUrlInvalid
from ..host.schemes import scheme_of, trimmed
from ..options import PluginOptions
from .http.clock import fetcher_closed

# A slice is decoded in less than a millisecond, even where every character of it is escaped.
_SLICE_CHARACTERS = 16 * 1024
_TYPE = re.compile(r"[!#$&^_.+0-9A-Za-z-]{1,63}/[!#$&^_.+0-9A-Za-z-]{1,63}")
_BASE64 = re.compile(r"; *base64", re.IGNORECASE)
_NO_LETTER = re.compile(rb"[^A-Za-z0-9+/]")
_GROUP = 4
"""Characters of base64 that stand for three bytes."""
_MAX_HEAD = 4096
_WHITE_SPACE = b"\t\n\f\r "
_IGNORED = dict.fromkeys(map(ord, "\t\n\r"))
"""Dropped from every URL (WHATWG URL section 4.4)."""


class DataOptions(PluginOptions):
    """The options of the ``data`` fetcher: section ``[fetch.data]`` of ``service.conf``."""

    max_bytes: int = Field(
        default=1024**2,
        ge=1,
        le=6 * 1024**2,
        description=(
            "Longest image in a data: URL, in bytes. A request to import with a token may be longer than"
            " body_max_bytes of [service] by twice as much, which base64 fits into."
        ),
    )


class DataFetcher(SupportsLongUrls, Fetcher):
    """See ``Fetcher``.

    Base64 is read forgivingly (WHATWG Infra section 7): white space does not count, and padding may be missing. A
    percent sign that begins no escape stands for itself.
    """

    contract_version = 1
    kind = "data"
    schemes = frozenset({"data"})
    Options = DataOptions

    def __init__(self, options: DataOptions) -> None:
        self._options = options
        self._closed = False

    @classmethod
    def longest_url(cls, options: PluginOptions) -> int:
        """See ``SupportsLongUrls.longest_url``. Base64 takes four bytes for three, and a form escapes + and / of it."""
        return 2 * options.max_bytes if isinstance(options, DataOptions) else 0

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
    """Media type in lower case, whether the data is base64, and the data, still encoded and with a fragment."""
    text = trimmed(url)
    if scheme_of(text) != "data":
        raise DataUrlInvalid(reason="it does not begin with data:")
    head, comma, data = text.partition(",")
    if not comma or "#" in head or len(head) > _MAX_HEAD:
        raise DataUrlInvalid(reason="it does not have the form data:[type][;parameters][;base64],data")
    # An escape takes three characters, and base64 four for three bytes: nothing takes more than four for one byte.
    if len(data) > _GROUP * max_bytes + _SLICE_CHARACTERS:
        raise _too_large(max_bytes)
    header = head.translate(_IGNORED).partition(":")[2].strip(" ")
    media_type, *parameters = header.split(";")
    is_base64 = bool(parameters) and _BASE64.fullmatch(f";{parameters[-1]}") is not None
    media_type = media_type.strip(" ")
    return media_type.lower() if _TYPE.fullmatch(media_type) else None, is_base64, data


def _too_large(max_bytes: int) -> DataUrlInvalid:
    return DataUrlInvalid(reason=f"it holds more than {max_bytes} bytes")


def _percent_decoded(data: str) -> Iterator[bytes]:
    """The data without its fragment. Characters beyond ASCII stand for their UTF-8."""
    data = data.partition("#")[0]
    rest = ""
    for start in range(0, len(data), _SLICE_CHARACTERS):
        piece = rest + data[start : start + _SLICE_CHARACTERS].translate(_IGNORED)
        # No escape is cut in two.
        cut = piece.rfind("%", max(len(piece) - 2, 0))
        piece, rest = (piece, "") if cut < 0 else (piece[:cut], piece[cut:])
        yield unquote_to_bytes(piece.encode("utf-8", "replace"))
    yield unquote_to_bytes(rest.encode("utf-8", "replace"))


def _base64_decoded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        text = rest + piece.translate(None, _WHITE_SPACE)
        # The last group stays back: only there may padding be.
        cut = max(len(text) - 1, 0) // _GROUP * _GROUP
        text, rest = text[:cut], text[cut:]
        if b"=" in text:
            raise DataUrlInvalid(reason="its base64 goes on after the padding")
        yield _base64(text)
    if len(rest) == _GROUP:
        rest = rest[:2] + rest[2:].removesuffix(b"=").removesuffix(b"=")
    if len(rest) == 1:
        raise DataUrlInvalid(reason="its base64 ends within a byte")
    yield _base64(rest)


def _base64(text: bytes) -> bytes:
    if _NO_LETTER.search(text):
        raise DataUrlInvalid(reason="its base64 is not valid")
    # Bits that make no whole byte are dropped.
    return binascii.a2b_base64(text + b"=" * (-len(text) % _GROUP))
