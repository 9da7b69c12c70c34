"""Fetchers that hang, break and lie, behind their guard."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lading.plugins.contracts import Fetcher, Source
from lading.plugins.errors import PluginError
from lading.plugins.host.guards import GuardedFetcher
from tests.support.plugins.scripted import ScriptedFetcher

SOURCE = Source("test://host/issuer/a")
PLENTY = 30.0
SOON = 0.2


async def hang(*_: object) -> Any:
    await asyncio.Event().wait()


def raising(error: BaseException) -> Callable[..., Any]:
    async def fail(*_: object) -> None:
        raise error

    return fail


async def breaking(error: BaseException, *first: bytes) -> AsyncIterator[bytes]:
    for chunk in first:
        yield chunk
    raise error


async def hanging(*first: bytes) -> AsyncIterator[bytes]:
    for chunk in first:
        yield chunk
    await hang()


async def read(fetcher: Fetcher) -> bytes:
    async with fetcher.open(SOURCE) as fetched:
        return b"".join([chunk async for chunk in fetched.chunks])


async def failure(fetcher: Fetcher) -> PluginError:
    with pytest.raises(PluginError) as caught:
        await read(fetcher)
    return caught.value


class Shop:
    """A scripted fetcher behind its guard; ``balanced`` tells that what was opened was released."""

    def __init__(self, deadline: float = PLENTY) -> None:
        self.fetcher = ScriptedFetcher()
        self.guarded = GuardedFetcher(self.fetcher, "scripted", deadline)

    @property
    def balanced(self) -> bool:
        return len(self.fetcher.opened) == 1 and self.fetcher.now[""] == 0


def at_open(shop: Shop, error: BaseException) -> None:
    shop.fetcher.on_open = raising(error)


def at_first_chunk(shop: Shop, error: BaseException) -> None:
    shop.fetcher.chunks = lambda _source: breaking(error)


def midway(shop: Shop, error: BaseException) -> None:
    shop.fetcher.chunks = lambda _source: breaking(error, b"some", b"more")


def at_release(shop: Shop, error: BaseException) -> None:
    shop.fetcher.on_release = raising(error)


PLACES = [at_open, at_first_chunk, midway, at_release]
