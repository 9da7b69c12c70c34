"""What the tests of the fetchers share."""

import contextlib
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any

from lading.plugins.contracts import Fetcher, Source
from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.plugins.fetchers.http.options import HttpOptions
from lading.plugins.net.system import Lookup

LOOPBACK = "127.0.0.0/8, ::1/128"
SECRET = "d41d8cd98f"
"""Goes into queries and headers; by its name, so that no traceback shows it for showing a line of a test."""


def http_options(**given: Any) -> HttpOptions:
    """Options that allow loopback and every port, unless others are given."""
    return HttpOptions.model_validate({"allow_networks": LOOPBACK, "ports": "1-65535", **given})


@contextlib.asynccontextmanager
async def http_fetcher(*, lookup: Lookup | None = None, **given: Any) -> AsyncIterator[HttpFetcher]:
    """A fetcher with ``http_options``, closed at the end."""
    fetcher = HttpFetcher(http_options(**given), lookup=lookup)
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def fetch(fetcher: Fetcher, url: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The whole body."""
    async with fetcher.open(Source(url, headers or {})) as fetched:
        return b"".join([chunk async for chunk in fetched.chunks])


def everything_logged(error: BaseException) -> str:
    """All that a log could show of an error: its text and its traceback, causes included."""
    return "".join(traceback.format_exception(error))
