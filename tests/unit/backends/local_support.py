"""What the tests of the local disk share."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from backends.local import LocalStorage, LocalStorageOptions
from backends.local_transfers import Upload
from backends.local_tree import Tree
from plugins.contracts import ObjectMetadata
from plugins.testing.bodies import MIB, Body
from plugins.testing.leaks import no_leaks
from plugins.testing.storage_support import KEY

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
