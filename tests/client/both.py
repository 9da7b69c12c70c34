"""``Client`` and ``AsyncClient`` behind one surface, so that a test is written once."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final

from lading.client import AsyncClient, Client

KINDS: Final = ("sync", "async")


class Api:
    """A client of either kind."""

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """The result of an operation."""
        raise NotImplementedError

    def many(
        self, name: str, *args: Any, until: Callable[[list[Any]], bool] = lambda _: False, **kwargs: Any
    ) -> list[Any]:
        """The results of an operation with many, as far as they are wanted."""
        raise NotImplementedError

    def first(self, most: int, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """The first results of such an operation."""
        return self.many(name, *args, until=lambda found: len(found) == most, **kwargs)


class SyncApi(Api):
    def __init__(self, client: Client) -> None:
        self.client = client

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.client, name)(*args, **kwargs)

    def many(
        self, name: str, *args: Any, until: Callable[[list[Any]], bool] = lambda _: False, **kwargs: Any
    ) -> list[Any]:
        found: list[Any] = []
        for item in getattr(self.client, name)(*args, **kwargs):
            found.append(item)
            if until(found):
                break
        return found


class AsyncApi(Api):
    def __init__(self, runner: asyncio.Runner, client: AsyncClient) -> None:
        self.runner = runner
        self.client = client

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.runner.run(getattr(self.client, name)(*args, **kwargs))

    def many(
        self, name: str, *args: Any, until: Callable[[list[Any]], bool] = lambda _: False, **kwargs: Any
    ) -> list[Any]:
        async def gathered() -> list[Any]:
            found: list[Any] = []
            async with aclosing(getattr(self.client, name)(*args, **kwargs)) as items:
                async for item in items:
                    found.append(item)
                    if until(found):
                        break
            return found

        return self.runner.run(gathered())


@contextmanager
def opened(kind: str, *args: Any, **kwargs: Any) -> Iterator[Api]:
    """A client of a kind, with the arguments of both; closed at the end of the block."""
    if kind == "sync":
        with Client(*args, **kwargs) as client:
            yield SyncApi(client)
        return
    with asyncio.Runner() as runner:
        async_client = AsyncClient(*args, **kwargs)
        yield AsyncApi(runner, async_client)
        runner.run(async_client.aclose())
