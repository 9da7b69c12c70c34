"""The reference fetcher, broken in one way at a time: in what it checks, gives and says."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from lading.plugins.contracts import Fetched, Source
from lading.plugins.errors import (
    BodyEmpty,
    BodyTooLarge,
    BodyTruncated,
    ConnectFailed,
    FetchError,
    OriginRejected,
    OriginUnavailable,
    SourceRefused,
    TooManyRedirects,
    UrlInvalid,
)
from lading.plugins.net.urls import HttpUrl
from tests.kit.reference_fetcher import Answer, ReferenceFetcher, ReferenceOptions

# --- the bytes that it gives ------------------------------------------------------------------------------------------


class LosesTheLastByte(ReferenceFetcher):
    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        async for piece in super().chunks(answer, deadline):
            if kept := piece[:-1] if len(piece) < 1000 else piece:
                yield kept


class GivesEmptyPieces(ReferenceFetcher):
    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        async for piece in super().chunks(answer, deadline):
            yield piece
            yield b""


class GivesItAtOnce(ReferenceFetcher):
    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        yield b"".join([piece async for piece in super().chunks(answer, deadline)])


class GivesBytearrays(ReferenceFetcher):
    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[Any, None]:
        async for piece in super().chunks(answer, deadline):
            yield bytearray(piece)


class HasALimitOfItsOwn(ReferenceFetcher):
    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.max_bytes = min(self.max_bytes, 32 * 1024**2)


class ReadsAhead(ReferenceFetcher):
    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        for piece in [piece async for piece in super().chunks(answer, deadline)]:
            yield piece


class GoesRoundInCircles(ReferenceFetcher):
    def fetched(self, answer: Answer, chunks: AsyncIterator[bytes]) -> Fetched:
        class Circle(AsyncIterator[bytes]):
            ended = False

            async def __anext__(self) -> bytes:
                if self.ended:
                    return b"again"
                try:
                    return await anext(chunks)
                except StopAsyncIteration:
                    self.ended = True
                    raise

        return super().fetched(answer, Circle())


class AcceptsNothing(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        with suppress(BodyEmpty):
            super().judge(answer)

    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        with suppress(BodyEmpty):
            async for piece in super().chunks(answer, deadline):
                yield piece


class TakesShortForWhole(ReferenceFetcher):
    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        with suppress(BodyTruncated, FetchError):
            async for piece in super().chunks(answer, deadline):
                yield piece


class ReadsOnBehindTheEnd(ReferenceFetcher):
    def pieces(self, answer: Answer) -> AsyncGenerator[bytes, None]:
        return self.until_the_end(answer.reader)


class HasNoLimit(ReferenceFetcher):
    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.max_bytes = 1024**4


class IsOffByOne(ReferenceFetcher):
    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.max_bytes -= 1


class GivesAPieceTooMany(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        answer.announced = None
        super().judge(answer)

    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        size = 0
        async for piece in self.pieces(answer):
            yield piece
            size += len(piece)
            if size > self.max_bytes:
                raise BodyTooLarge(limit=self.max_bytes)


class TriesTheTooLargeAgain(ReferenceFetcher):
    def too_large(self) -> FetchError:
        return OriginUnavailable(status="too large")


# --- what it announces ------------------------------------------------------------------------------------------------


class AnnouncesTheLengthAsText(ReferenceFetcher):
    def fetched(self, answer: Answer, chunks: AsyncIterator[bytes]) -> Fetched:
        return replace(super().fetched(answer, chunks), content_length=str(answer.announced))  # type: ignore[arg-type]


class AnnouncesAnotherLength(ReferenceFetcher):
    def fetched(self, answer: Answer, chunks: AsyncIterator[bytes]) -> Fetched:
        return replace(super().fetched(answer, chunks), content_length=7)


class AnnouncesThePath(ReferenceFetcher):
    def filename(self, answer: Answer) -> str | None:
        return answer.url.path


# --- several fetches --------------------------------------------------------------------------------------------------


class OpensASourceOnce(ReferenceFetcher):
    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.seen: set[str] = set()

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        if source.url in self.seen:
            raise UrlInvalid(reason="it was fetched already")
        self.seen.add(source.url)
        async with super().open(source) as fetched:
            yield fetched


class SharesTheBody(ReferenceFetcher):
    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.shared: dict[str, AsyncIterator[bytes]] = {}

    def fetched(self, answer: Answer, chunks: AsyncIterator[bytes]) -> Fetched:
        return super().fetched(answer, self.shared.setdefault(str(answer.url), chunks))


class MixesItsFetches(ReferenceFetcher):
    async def connect(self, url: HttpUrl) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.url = url
        return await super().connect(url)

    def request(self, url: HttpUrl, headers: Mapping[str, str]) -> bytes:
        return super().request(self.url, headers)


class IsSpoiledByAnError(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        try:
            super().judge(answer)
        except FetchError:
            self.is_closed = True
            raise


# --- what it checks ---------------------------------------------------------------------------------------------------


class TriesTheOriginFirst(ReferenceFetcher):
    def check(self, source: Source) -> None:
        super().check(source)
        url = self.parse(source.url)
        with socket.socket() as probe:
            if probe.connect_ex((url.host, url.port)):
                raise SourceRefused("nobody is there")


class ChecksAtLength(ReferenceFetcher):
    def check(self, source: Source) -> None:
        super().check(source)
        sum(range(3_000_000))


class BeginsAtOnce(ReferenceFetcher):
    def check(self, source: Source) -> None:
        super().check(source)
        self.task = asyncio.ensure_future(asyncio.sleep(0))


class ChecksNothing(ReferenceFetcher):
    def check(self, source: Source) -> None:
        return


class RefusesWithTheBase(ReferenceFetcher):
    def check(self, source: Source) -> None:
        try:
            super().check(source)
        except SourceRefused as error:
            raise FetchError(error.internal) from error


class RefusesOtherwiseLater(ReferenceFetcher):
    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        try:
            self.check(source)
        except SourceRefused as error:
            raise ConnectFailed from error
        async with super().open(source) as fetched:
            yield fetched


class KnowsLowerCaseAlone(ReferenceFetcher):
    def parse(self, text: str) -> HttpUrl:
        if not text.startswith("http:"):
            raise UrlInvalid(reason="it does not begin with http:")
        return super().parse(text)


class LetsValueErrorsOut(ReferenceFetcher):
    def parse(self, text: str) -> HttpUrl:
        assert urlsplit(text).port != 0
        return super().parse(text)


class CannotSpellEveryHeader(ReferenceFetcher):
    def check_headers(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            f"{name}: {value}".encode("latin-1")
        super().check_headers(headers)


# --- what it says -----------------------------------------------------------------------------------------------------


class QuotesTheUrl(ReferenceFetcher):
    def parse(self, text: str) -> HttpUrl:
        try:
            return super().parse(text)
        except SourceRefused as error:
            raise UrlInvalid(f"refused: {text}", reason="it is refused") from error


class QuotesTheUrlOfAFetch(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        try:
            super().judge(answer)
        except FetchError as error:
            # The error itself is discreet; what it is chained to is not.
            raise error from KeyError(str(answer.url))


class LogsTheUrl(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        logging.getLogger(__name__).debug("fetched %s", answer.url)
        super().judge(answer)


class SaysRejectedForAll(ReferenceFetcher):
    def judge(self, answer: Answer) -> None:
        try:
            super().judge(answer)
        except FetchError as error:
            raise OriginRejected(status=answer.status) from error


class LetsOsErrorsOut(ReferenceFetcher):
    async def ask(self, url: HttpUrl, headers: Mapping[str, str]) -> Answer:
        try:
            return await super().ask(url, headers)
        except ConnectFailed as error:
            raise RuntimeError("no connection") from error


class PromisesAnotherAttempt(ReferenceFetcher):
    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        try:
            async with super().open(source) as fetched:
                yield fetched
        except TooManyRedirects as error:
            raise OriginUnavailable(status="loop") from error
