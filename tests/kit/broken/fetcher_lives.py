"""The reference fetcher, broken in one way at a time: in how it begins, ends, is cancelled and keeps its time."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

from lading.plugins.contracts import Fetched, Source
from lading.plugins.errors import ConnectionLost, FetchError, FetchTimeout
from lading.plugins.net.urls import HttpUrl
from lading.plugins.options import PluginOptions
from tests.kit.reference_fetcher import Answer, ReferenceFetcher, ReferenceOptions


class IsOfTheFuture(ReferenceFetcher):
    contract_version = 2


class UndescribedOptions(PluginOptions):
    level: int = 1


class DescribesNoOption(ReferenceFetcher):
    Options: ClassVar[type[PluginOptions]] = UndescribedOptions


class WritesItsSchemeInCapitals(ReferenceFetcher):
    schemes = frozenset({"HTTP"})


class StartsAThread(ReferenceFetcher):
    """One that waits until the fetcher is closed."""

    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.ended = threading.Event()
        threading.Thread(target=self.ended.wait, args=(60,), daemon=True).start()

    async def close(self) -> None:
        await super().close()
        self.ended.set()


class ClosesTheOthersToo(ReferenceFetcher):
    all: ClassVar[list[ReferenceFetcher]] = []

    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.all.append(self)

    async def close(self) -> None:
        for fetcher in self.all:
            fetcher.is_closed = True


# --- cancellation -----------------------------------------------------------------------------------------------------


class SwallowsCancellation(ReferenceFetcher):
    async def connect(self, url: HttpUrl) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await super().connect(url)
        except asyncio.CancelledError:
            raise ConnectionLost("cancelled") from None

    async def read_head(self, answer: Answer) -> None:
        try:
            await super().read_head(answer)
        except asyncio.CancelledError:
            raise ConnectionLost("cancelled") from None


class LeavesTheConnectionWhenCancelled(ReferenceFetcher):
    left: ClassVar[list[Answer]] = []

    async def read_head(self, answer: Answer) -> None:
        try:
            await super().read_head(answer)
        except asyncio.CancelledError:
            self.left.append(Answer(answer.url, answer.reader, answer.writer))
            answer.close = lambda: None  # type: ignore[method-assign]
            raise


class KeepsThePlaceOfACancelledFetch(ReferenceFetcher):
    async def follow(self, url: HttpUrl, headers: Any, stack: AsyncExitStack) -> Answer:
        try:
            return await super().follow(url, headers, stack)
        except asyncio.CancelledError:
            stack.pop_all()  # the slot with it
            raise


class ClosesAtTheEndAlone(ReferenceFetcher):
    left: ClassVar[list[Answer]] = []

    async def follow(self, url: HttpUrl, headers: Any, stack: AsyncExitStack) -> Answer:
        answer = await super().follow(url, headers, AsyncExitStack())
        self.left.append(answer)
        return answer

    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        async for piece in super().chunks(answer, deadline):
            yield piece
        answer.close()


class TranslatesTheReadersErrors(ReferenceFetcher):
    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        try:
            async with super().open(source) as fetched:
                yield fetched
        except OSError as error:
            raise ConnectionLost from error


# --- time -------------------------------------------------------------------------------------------------------------


class HasNoDeadline(ReferenceFetcher):
    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.seconds = 3600


class TimesEachReadAlone(ReferenceFetcher):
    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        async for piece in self.pieces(answer):
            yield piece


class GivesUpForGood(ReferenceFetcher):
    @asynccontextmanager
    async def limited(self, deadline: float) -> AsyncIterator[None]:
        try:
            async with super().limited(deadline):
                yield
        except FetchTimeout as error:
            raise FetchError("too slow") from error


# --- closing ----------------------------------------------------------------------------------------------------------


class FailsSecondClose(ReferenceFetcher):
    async def close(self) -> None:
        self.check_open()
        await super().close()


class FailsToCloseUnused(ReferenceFetcher):
    used = False

    async def ask(self, url: HttpUrl, headers: Any) -> Answer:
        self.used = True
        return await super().ask(url, headers)

    async def close(self) -> None:
        if not self.used:
            raise AttributeError("there is no session")
        await super().close()


class KeepsATask(ReferenceFetcher):
    left: ClassVar[list[asyncio.Task[Any]]] = []  # loops refer to tasks weakly, and garbage is not left behind
    task: asyncio.Task[Any] | None = None

    async def ask(self, url: HttpUrl, headers: Any) -> Answer:
        if self.task is None:
            self.task = asyncio.create_task(asyncio.Event().wait())
            self.left.append(self.task)
        return await super().ask(url, headers)


class NeedsTwoCloses(KeepsATask):
    async def close(self) -> None:
        if self.is_closed and self.task:
            self.task.cancel()
        await super().close()


class GivesUpClosing(KeepsATask):
    async def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            await asyncio.sleep(0)
            if self.task:
                self.task.cancel()


class WorksAfterClose(ReferenceFetcher):
    def check_open(self) -> None:
        return


class CancelsItsFetches(ReferenceFetcher):
    def __init__(self, options: ReferenceOptions) -> None:
        super().__init__(options)
        self.fetches: set[asyncio.Task[Any] | None] = set()

    async def ask(self, url: HttpUrl, headers: Any) -> Answer:
        self.fetches.add(asyncio.current_task())
        return await super().ask(url, headers)

    async def close(self) -> None:
        for fetch in self.fetches:
            if fetch and fetch is not asyncio.current_task():
                fetch.cancel()
        self.is_closed = True


class ForgetsItsFetches(ReferenceFetcher):
    async def close(self) -> None:
        self.is_closed = True


class EndsQuietlyWhenClosed(ReferenceFetcher):
    async def chunks(self, answer: Answer, deadline: float) -> AsyncGenerator[bytes, None]:
        async for piece in super().chunks(answer, deadline):
            yield piece
            if self.is_closed:
                return
