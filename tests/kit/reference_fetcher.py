"""A small and complete fetcher, easily broken in many ways: HTTP/1.1 from loopback, a connection for each fetch."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import ClassVar

from pydantic import Field

from lading.plugins.contracts import Fetched, Fetcher, Source
from lading.plugins.errors import (
    AddressNotAllowed,
    BodyEmpty,
    BodyTooLarge,
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    ContentEncodingNotAllowed,
    FetchError,
    FetchTimeout,
    OriginProtocolError,
    RedirectNotAllowed,
    SourceRefused,
    TooManyRedirects,
)
from lading.plugins.fetchers.http import responses as http_responses
from lading.plugins.fetchers.http.filenames import origin_filename
from lading.plugins.fetchers.http.requests import check_headers, request_headers
from lading.plugins.fetchers.http.responses import RawHeaders
from lading.plugins.net.origins import harmless
from lading.plugins.net.urls import HttpUrl, parse_http_url, resolve_reference
from lading.plugins.options import PluginOptions
from lading.plugins.testing import FetchLimits
from lading.plugins.testing.fetcher.http.support import HttpHarness

LOOPBACK = IPv4Network("127.0.0.1/32")
PIECE_BYTES = 64 * 1024
MOST_REDIRECTS = 5
MOST_INTERIM = 5

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\r\n]*)?\r\n")


class ReferenceOptions(PluginOptions):
    max_bytes: int = Field(32 * 1024**2, ge=1, description="Longest body, in bytes.")
    seconds: float = Field(60, gt=0, description="How long a fetch may take.")


class Answer:
    """A response whose head was read."""

    def __init__(self, url: HttpUrl, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.url = url
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: RawHeaders = ()
        self.announced: int | None = None

    def close(self) -> None:
        self.writer.transport.abort()


class ReferenceFetcher(Fetcher):
    contract_version = 1
    kind = "url"
    schemes = frozenset({"http"})
    Options: ClassVar[type[PluginOptions]] = ReferenceOptions

    def __init__(self, options: ReferenceOptions) -> None:
        self.max_bytes = options.max_bytes
        self.seconds = options.seconds
        self.limits: set[asyncio.Timeout] = set()
        self.slots = asyncio.Semaphore(4)
        self.is_closed = False

    def check(self, source: Source) -> None:
        self.parse(source.url)
        self.check_headers(source.headers)

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        self.check(source)
        deadline = asyncio.get_running_loop().time() + self.seconds
        async with AsyncExitStack() as stack:
            async with self.limited(deadline):
                await stack.enter_async_context(self.slots)
                answer = await self.follow(self.parse(source.url), source.headers, stack)
                self.judge(answer)
            chunks = self.chunks(answer, deadline)
            await stack.enter_async_context(aclosing(chunks))
            yield self.fetched(answer, chunks)

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.is_closed = True
        for timeout in self.limits:
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())

    def check_open(self) -> None:
        if self.is_closed:
            raise ConnectionLost("closed")

    @asynccontextmanager
    async def limited(self, deadline: float) -> AsyncIterator[None]:
        """Bound the block in time, end it when the fetcher closes, and translate what it raises."""
        self.check_open()
        timeout = asyncio.timeout_at(deadline)
        self.limits.add(timeout)
        try:
            async with timeout:
                yield
        except TimeoutError:
            self.check_open()
            raise FetchTimeout(phase="the whole fetch", seconds=f"{self.seconds:g}") from None
        except (OSError, EOFError) as error:
            raise self.lost(error) from error
        except asyncio.LimitOverrunError as error:
            raise OriginProtocolError(reason="a line of it is too long") from error
        finally:
            self.limits.discard(timeout)

    def lost(self, error: Exception) -> FetchError:
        return ConnectionLost(type(error).__name__)

    # --- what is asked for --------------------------------------------------------------------------------------------

    def parse(self, text: str) -> HttpUrl:
        url = parse_http_url(text)
        if url.scheme != "http" or url.address is None or url.address not in LOOPBACK:
            raise AddressNotAllowed
        return url

    def check_headers(self, headers: Mapping[str, str]) -> None:
        check_headers(headers)

    async def follow(self, url: HttpUrl, headers: Mapping[str, str], stack: AsyncExitStack) -> Answer:
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self.ask(url, headers)
            if not self.is_redirect(answer):
                stack.callback(answer.close)
                return answer
            answer.close()
            target = self.target(answer)
            headers = self.headers_for(target, url, headers)
            url = target
        raise TooManyRedirects(limit=MOST_REDIRECTS)

    def is_redirect(self, answer: Answer) -> bool:
        return answer.status in http_responses.REDIRECTS

    def target(self, answer: Answer) -> HttpUrl:
        reference = http_responses.location(answer.headers)
        try:
            return self.parse(str(resolve_reference(answer.url, reference)))
        except SourceRefused as error:
            raise RedirectNotAllowed(reason="its url is not acceptable") from error

    def headers_for(self, target: HttpUrl, url: HttpUrl, headers: Mapping[str, str]) -> Mapping[str, str]:
        return headers if target.origin == url.origin else harmless(headers)

    async def ask(self, url: HttpUrl, headers: Mapping[str, str]) -> Answer:
        try:
            reader, writer = await self.connect(url)
        except OSError as error:
            raise ConnectFailed(error.strerror or "") from error
        answer = Answer(url, reader, writer)
        try:
            writer.write(self.request(url, headers))
            await self.read_head(answer)
        except BaseException:
            answer.close()
            raise
        return answer

    async def connect(self, url: HttpUrl) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(url.host, url.port, limit=PIECE_BYTES)

    def request(self, url: HttpUrl, headers: Mapping[str, str]) -> bytes:
        fields = {"Host": f"{url.host}:{url.port}", **request_headers(headers, "Reference"), "Connection": "close"}
        lines = [f"GET {url.path_query} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    # --- what comes ---------------------------------------------------------------------------------------------------

    async def read_head(self, answer: Answer) -> None:
        for _ in range(MOST_INTERIM):
            answer.status, answer.headers = self.parse_head(await answer.reader.readuntil(b"\r\n\r\n"))
            if not self.is_interim(answer):
                answer.announced = self.framing(answer.headers)
                return
        raise OriginProtocolError(reason="it has too many interim responses")

    def is_interim(self, answer: Answer) -> bool:
        return 100 <= answer.status < 200

    def parse_head(self, head: bytes) -> tuple[int, RawHeaders]:
        first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        status = _STATUS.fullmatch(first)
        fields = [_FIELD.fullmatch(line) for line in lines]
        if status is None or not all(fields):
            raise OriginProtocolError(reason="its head is malformed")
        return int(status[1]), [(field[1], field[2]) for field in fields if field]

    def framing(self, headers: RawHeaders) -> int | None:
        return http_responses.check_framing(headers)

    def judge(self, answer: Answer) -> None:
        http_responses.check_status(answer.status, answer.headers, datetime.now(UTC))
        self.check_encoding(answer.headers)
        if answer.announced is not None and answer.announced > self.max_bytes:
            raise self.too_large()
        if answer.announced == 0:
            raise BodyEmpty

    def check_encoding(self, headers: RawHeaders) -> None:
        if any(value.lower() != b"identity" for value in http_responses.field_values(headers, b"content-encoding")):
            raise ContentEncodingNotAllowed

    def too_large(self) -> FetchError:
        return BodyTooLarge(limit=self.max_bytes)

    def fetched(self, answer: Answer, chunks: AsyncIterator[bytes]) -> Fetched:
        return Fetched(
            chunks=chunks,
            content_length=answer.announced,
            content_type=self.media_type(answer),
            filename=self.filename(answer),
            etag=http_responses.validator(answer.headers, b"etag"),
            last_modified=http_responses.validator(answer.headers, b"last-modified"),
        )

    def media_type(self, answer: Answer) -> str | None:
        return http_responses.media_type(answer.headers)

    def filename(self, answer: Answer) -> str | None:
        return origin_filename(http_responses.content_disposition(answer.headers), answer.url.path)

    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        size = 0
        async with aclosing(self.pieces(answer)) as pieces:
            while True:
                async with self.limited(deadline):
                    piece = await anext(pieces, b"")
                if not piece:
                    break
                size += len(piece)
                if size > self.max_bytes:
                    raise self.too_large()
                yield piece
        if not size:
            raise BodyEmpty

    def pieces(self, answer: Answer) -> AsyncGenerator[bytes, None]:
        if answer.announced is not None:
            return self.sized(answer.reader, answer.announced)
        if http_responses.field_values(answer.headers, b"transfer-encoding"):
            return self.chunked(answer.reader)
        return self.until_the_end(answer.reader)

    async def sized(self, reader: asyncio.StreamReader, left: int) -> AsyncGenerator[bytes, None]:
        while left:
            piece = await reader.read(min(left, PIECE_BYTES))
            if not piece:
                raise BodyTruncated
            left -= len(piece)
            yield piece

    async def chunked(self, reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
        while True:
            size = self.chunk_size(await reader.readuntil(b"\r\n"))
            if not size:
                break
            async with aclosing(self.sized(reader, size)) as pieces:
                async for piece in pieces:
                    yield piece
            if await reader.readexactly(2) != b"\r\n":
                raise OriginProtocolError(reason="a chunk is longer than it says")
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass

    def chunk_size(self, line: bytes) -> int:
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise OriginProtocolError(reason="a chunk has no size")
        return int(match[1], 16)

    async def until_the_end(self, reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
        while piece := await reader.read(PIECE_BYTES):
            yield piece


class ReferenceHarness(HttpHarness):
    fetcher: ClassVar[type[ReferenceFetcher]] = ReferenceFetcher

    def make_fetcher(self, limits: FetchLimits) -> Fetcher:
        return self.fetcher(ReferenceOptions(max_bytes=limits.max_bytes, seconds=limits.seconds))
