"""What does the steps of an operation: ``Wire`` blocks, ``AsyncWire`` awaits. Nothing else in the client does I/O."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from .steps import END, Call, Failed, Next, Open, Pause, Take
from .wire import Server, failure_of, head_of


class Wire:
    """Does the steps of one operation, and blocks."""

    def __init__(self, http: httpx.Client, server: Server) -> None:
        self._http = http
        self._server = server
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def do(self, step: Any) -> Any:
        """The result of a step."""
        try:
            match step:
                case Open(request):
                    self._close()
                    self._response = self._http.send(self._server.built(request), stream=True)
                    self._chunks = self._response.iter_bytes()
                    return head_of(self._response)
                case Next():
                    return next(self._chunks, b"")
                case Pause(seconds):
                    self._close()
                    return time.sleep(seconds)
                case Call(function):
                    return function()
                case Take(source):
                    return next(source, END)
        except httpx.RequestError as error:
            return Failed(failure_of(error))
        except Exception as error:  # noqa: BLE001  # the operation handles it, or raises it for the caller
            return Failed(error)


class AsyncWire:
    """Does the steps of one operation, and awaits."""

    def __init__(self, http: httpx.AsyncClient, server: Server) -> None:
        self._http = http
        self._server = server
        self._response: httpx.Response | None = None
        self._chunks: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            await self._chunks.aclose()
            await response.aclose()

    async def do(self, step: Any) -> Any:
        """The result of a step."""
        try:
            match step:
                case Open(request):
                    await self._close()
                    self._response = await self._http.send(self._server.built(request), stream=True)
                    self._chunks = self._response.aiter_bytes()
                    return head_of(self._response)
                case Next():
                    return await anext(self._chunks, b"")
                case Pause(seconds):
                    await self._close()
                    return await asyncio.sleep(seconds)
                case Call(function):
                    return await asyncio.to_thread(function)
                case Take(source):
                    return await anext(source, END) if isinstance(source, AsyncIterator) else next(source, END)
        except httpx.RequestError as error:
            return Failed(failure_of(error))
        except Exception as error:  # noqa: BLE001  # the operation handles it, or raises it for the caller
            return Failed(error)
