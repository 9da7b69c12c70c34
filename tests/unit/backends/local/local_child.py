"""A process that saves one object on the local disk and is disturbed at it.

Arguments: the root, the seed of the body, and what happens: ``pause`` half-way until a line comes in, ``kill`` itself
between the steps of publishing, be ``limited`` in the size of its files, or ``race`` from a line that comes in.
Prints what it reaches: ``ready``, then ``saved`` or an error code.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from lading.backends.local.storage import LocalStorage, LocalStorageOptions
from lading.plugins.errors import PluginError
from lading.plugins.testing.bodies import MIB, Body
from lading.plugins.testing.storage.support import KEY

SIZE = 4 * MIB


async def meet() -> None:
    """Say that the point is reached and wait to be let on."""
    print("ready", flush=True)  # noqa: T201 - this is how it talks
    await asyncio.to_thread(sys.stdin.readline)


async def pausing(body: Body) -> AsyncIterator[bytes]:
    for offset in range(0, SIZE, MIB):
        if offset == SIZE // 2:
            await meet()
        yield body.part(offset, MIB)


def die_after_link() -> None:
    link = os.link

    def link_and_die(*arguments: Any, **options: Any) -> None:
        link(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    os.link = link_and_die


async def main(root: Path, seed: int, what: str) -> None:
    body = Body(SIZE, seed)
    chunks = body.chunks(MIB)
    if what == "pause":
        chunks = pausing(body)
    elif what == "kill":
        die_after_link()
    elif what == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))
    storage = LocalStorage(LocalStorageOptions(path=root))
    await storage.ping()
    if what == "race":
        await meet()
    try:
        await storage.save(KEY, chunks, body.metadata)
        outcome = "saved"
    except PluginError as error:
        outcome = error.code
    await storage.close()
    print(outcome, flush=True)  # noqa: T201 - this is how it talks


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
