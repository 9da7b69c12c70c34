"""The reference fetcher, broken in one way at a time: in how it speaks HTTP."""

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from lading.plugins.contracts import Fetched, Source
from lading.plugins.errors import (
    ConnectionLost,
    FetchError,
    OriginProtocolError,
    OriginRejected,
    OriginUnavailable,
    RedirectNotAllowed,
    SourceNotModified,
    SourceRefused,
    TooManyRedirects,
)
from lading.plugins.fetchers.http.responses import RawHeaders, field_values, location
from lading.plugins.net.urls import HttpUrl
from tests.kit.reference_fetcher import Answer, ReferenceFetcher, ReferenceOptions

# --- statuses and heads -----------------------------------------------------------------------------------------------


class TakesAnyTwoHundred(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        if 200 <= answer.status < 300:
            answer.status = 200
        super().judge(answer)


class ForgetsWhenToComeAgain(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        answer.headers = [field for field in answer.headers if field[0].lower() != b"retry-after"]
        super().judge(answer)


class BelievesAnyTime(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        for value in field_values(answer.headers, b"retry-after"):
            with suppress(ValueError):
                raise OriginUnavailable(retry_after=float(value), status=answer.status)
        super().judge(answer)


class TakesInterimForFinal(ReferenceFetcher):
    def is_interim(self, answer: Answer) -> bool:
        return False


class ReadsHeadsAnyway(ReferenceFetcher):
    def parse_head(self, head: bytes) -> tuple[int, RawHeaders]:
        try:
            return super().parse_head(head)
        except OriginProtocolError:
            return 200, []


class ReadsHeadsWithoutEnd(ReferenceFetcher):
    async def read_head(self, answer: Answer) -> None:
        head = bytearray()
        while not head.endswith(b"\r\n\r\n"):
            head += await answer.reader.readexactly(1000)
        answer.status, answer.headers = self.parse_head(bytes(head))


class WaitsForHeads(ReferenceFetcher):
    async def read_head(self, answer: Answer) -> None:
        for limit in self.limits:
            limit.reschedule(None)
        await super().read_head(answer)


class QuotedError(FetchError):
    code = "quoted"
    public_text = "The origin says: {text}"


class QuotesTheOrigin(ReferenceFetcher):
    def parse_head(self, head: bytes) -> tuple[int, RawHeaders]:
        self.first = head.partition(b"\r\n")[0].decode("latin-1")
        return super().parse_head(head)

    def judge(self, answer: Answer) -> None:
        try:
            super().judge(answer)
        except OriginRejected as error:
            raise QuotedError(text=self.first) from error


# --- framing ----------------------------------------------------------------------------------------------------------


class KnowsNoChunks(ReferenceFetcher):
    def pieces(self, answer: Answer) -> AsyncGenerator[bytes, None]:
        return self.until_the_end(answer.reader) if answer.announced is None else super().pieces(answer)


class TakesTheLength(ReferenceFetcher):
    def framing(self, headers: RawHeaders) -> int | None:
        lengths = field_values(headers, b"content-length")
        return int(lengths[0]) if lengths and lengths[0].isdigit() else super().framing(headers)


class TakesNoChunkForTheLast(ReferenceFetcher):
    def chunk_size(self, line: bytes) -> int:
        with suppress(OriginProtocolError):
            return super().chunk_size(line)
        return 0


class WaitsForWhatIsTooMuch(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        announced, answer.announced = answer.announced, None
        super().judge(answer)
        answer.announced = announced


class KeepsConnections(ReferenceFetcher):
    """It uses them again without looking whether they are still good."""

    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def connect(self, url: HttpUrl) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return self.kept.pop() if self.kept else await super().connect(url)

    def request(self, url: HttpUrl, headers: Mapping[str, str]) -> bytes:
        return super().request(url, headers).replace(b"Connection: close\r\n", b"")

    async def follow(self, url: HttpUrl, headers: Mapping[str, str], stack: AsyncExitStack) -> Answer:
        answer = await super().follow(url, headers, AsyncExitStack())
        stack.callback(self.kept.append, (answer.reader, answer.writer))
        return answer

    async def close(self) -> None:
        await super().close()
        for _, writer in self.kept:
            writer.transport.abort()


# --- encodings and announcements --------------------------------------------------------------------------------------


class IgnoresEncodings(ReferenceFetcher):
    def check_encoding(self, headers: RawHeaders) -> None:
        return


class RetriesEncodings(ReferenceFetcher):
    def check_encoding(self, headers: RawHeaders) -> None:
        if field_values(headers, b"content-encoding"):
            raise ConnectionLost


class UnpacksBombs(IgnoresEncodings):
    def request(self, url: HttpUrl, headers: Mapping[str, str]) -> bytes:
        return super().request(url, headers).replace(b"Accept-Encoding: identity", b"Accept-Encoding: gzip")

    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        unpack = zlib.decompressobj(31)
        async with aclosing(super().chunks(answer, deadline)) as pieces:
            async for piece in pieces:
                if not field_values(answer.headers, b"content-encoding"):
                    yield piece
                    continue
                packed = piece
                while data := unpack.decompress(packed, 1024**2):
                    yield data
                    packed = unpack.unconsumed_tail


class PassesTypesOn(ReferenceFetcher):
    def media_type(self, answer: Answer) -> str | None:
        values = field_values(answer.headers, b"content-type")
        return values[0].decode() if values else None


class PassesNamesOn(ReferenceFetcher):
    def filename(self, answer: Answer) -> str | None:
        match = re.search(rb'filename="([^"]+)"', b";".join(field_values(answer.headers, b"content-disposition")))
        return match[1].decode() if match else super().filename(answer)


class StripsValidators(ReferenceFetcher):
    def fetched(self, answer: Answer, chunks: AsyncIterator[bytes]) -> Fetched:
        fetched = super().fetched(answer, chunks)
        return replace(fetched, etag=fetched.etag and fetched.etag.removeprefix("W/").strip('"'))


# --- requests ---------------------------------------------------------------------------------------------------------


class SendsNoHeaders(ReferenceFetcher):
    def request(self, url: HttpUrl, headers: Mapping[str, str]) -> bytes:
        return super().request(url, {})


class AsksForAPart(ReferenceFetcher):
    def request(self, url: HttpUrl, headers: Mapping[str, str]) -> bytes:
        return super().request(url, {**headers, "Range": "bytes=0-"})


class LetsHeadersThrough(ReferenceFetcher):
    def check_headers(self, headers: Mapping[str, str]) -> None:
        return


class KeepsCookies(ReferenceFetcher):
    cookie = ""

    def request(self, url: HttpUrl, headers: Mapping[str, str]) -> bytes:
        return super().request(url, {**headers, "Cookie": self.cookie} if self.cookie else headers)

    def judge(self, answer: Answer) -> None:
        for value in field_values(answer.headers, b"set-cookie"):
            self.cookie = value.partition(b";")[0].decode()
        super().judge(answer)


# --- redirects --------------------------------------------------------------------------------------------------------


class KnowsFewRedirects(ReferenceFetcher):
    def is_redirect(self, answer: Answer) -> bool:
        return answer.status in {301, 302}


class FollowsAsItWasAsked(ReferenceFetcher):
    """It follows so many redirects, and times each of them alone."""

    hops = 1

    async def follow(self, url: HttpUrl, headers: Mapping[str, str], stack: AsyncExitStack) -> Answer:
        for _ in range(self.hops + 1):
            answer = await self.ask(url, headers)
            if not self.is_redirect(answer):
                stack.callback(answer.close)
                return answer
            answer.close()
            url = self.target(answer)
            for limit in self.limits:
                limit.reschedule(asyncio.get_running_loop().time() + self.seconds)
        raise TooManyRedirects(limit=self.hops)


class FollowsFarTooLong(FollowsAsItWasAsked):
    hops = 1000


class GoesBackWhereItCameFrom(ReferenceFetcher):
    def target(self, answer: Answer) -> HttpUrl:
        try:
            return super().target(answer)
        except (RedirectNotAllowed, SourceRefused):
            return answer.url


class TakesTheFirstPlace(ReferenceFetcher):
    def target(self, answer: Answer) -> HttpUrl:
        answer.headers = [(b"location", value) for value in field_values(answer.headers, b"location")[:1]]
        assert location(answer.headers)
        return super().target(answer)


class ReadsTheBodyOfRedirects(ReferenceFetcher):
    async def ask(self, url: HttpUrl, headers: Mapping[str, str]) -> Answer:
        answer = await super().ask(url, headers)
        while self.is_redirect(answer) and await answer.reader.read(1024**2):
            pass
        return answer


class SendsHeadersEverywhere(ReferenceFetcher):
    def headers_for(self, target: HttpUrl, url: HttpUrl, headers: Mapping[str, str]) -> Mapping[str, str]:
        return headers


class SendsHeadersBack(ReferenceFetcher):
    """It looks at the target alone, and remembers what it was given."""

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        self.first = (self.parse(source.url).origin, source.headers)
        async with super().open(source) as fetched:
            yield fetched

    def headers_for(self, target: HttpUrl, url: HttpUrl, headers: Mapping[str, str]) -> Mapping[str, str]:
        origin, given = self.first
        return given if target.origin == origin else {}


class SendsNoHeadersOn(ReferenceFetcher):
    def headers_for(self, target: HttpUrl, url: HttpUrl, headers: Mapping[str, str]) -> Mapping[str, str]:
        return headers if target.origin == url.origin else {}


class SaysWhereItComesFrom(ReferenceFetcher):
    def headers_for(self, target: HttpUrl, url: HttpUrl, headers: Any) -> Mapping[str, str]:
        return {"Referer": str(url)}


class TakesAnyVersionForTheKnownOne(ReferenceFetcher):
    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        if source.if_none_match is not None:
            raise SourceNotModified
        async with super().open(source) as fetched:
            yield fetched


class SaysSoWithoutAsking(ReferenceFetcher):
    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        async with super().open(source) as fetched:
            if source.if_none_match is not None and fetched.etag == source.if_none_match:
                raise SourceNotModified
            yield fetched
