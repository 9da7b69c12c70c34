"""Files, which are opened and read in threads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from lading_heic.children import ended

Result = TypeVar("Result")


@asynccontextmanager
async def opened(path: Path, mode: str = "rb") -> AsyncIterator[BinaryIO]:
    """A file without a buffer, since the process that gets it shares its position."""
    work = asyncio.ensure_future(asyncio.to_thread(FileIO, path, mode))
    try:
        await ended(work)
    except asyncio.CancelledError:
        if work.exception() is None:
            work.result().close()
        raise
    with work.result() as file:
        yield cast("BinaryIO", file)


async def read(function: Callable[[BinaryIO], Result], file: BinaryIO) -> Result:
    """The result of a function that reads a file in a thread."""
    work = asyncio.ensure_future(asyncio.to_thread(function, file))
    await ended(work)
    return work.result()
