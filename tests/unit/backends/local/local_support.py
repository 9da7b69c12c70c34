"""What the tests of the local disk share."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lading.backends.local.storage import LocalStorage, LocalStorageOptions
from lading.backends.local.transfers import Upload
from lading.backends.local.tree import Tree
from lading.plugins.contracts import ObjectMetadata
from lading.plugins.testing.bodies import MIB, Body
from lading.plugins.testing.leaks import no_leaks
from lading.plugins.testing.storage.support import KEY

SMALL = Body(5000)
LARGE = Body(4 * MIB + 3)


@asynccontextmanager
async def opened(root: Path, threads: int = 4) -> AsyncIterator[LocalStorage]:
    async with no_leaks():
        storage = LocalStorage(LocalStorageOptions(path=root, threads=threads))
        await storage.ping()
        yield storage
        assert not list((root / ".incoming").iterdir())
        await storage.close()


def save(tree: Tree, key: str = KEY, body: Body = SMALL, metadata: ObjectMetadata | None = None) -> None:
    Upload(tree, key, (metadata or body.metadata).byte_size).save(body.whole())


def failing(number: int) -> Callable[..., Any]:
    def fail(*_arguments: Any, **_options: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail
