"""A service that kills itself before one of its writes: of a document that exists, or of what is removed from storage.

Arguments: the ``service.conf``, and how many such writes it makes before it dies. Its configuration comes from the
environment too. It prints its URL when it listens.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lading.service.config import load_all
from lading.service.models.clock import SystemClock
from lading.service.runtime.serving import running


async def main(conf: Path, writes: int) -> None:
    settings, components = load_all(conf, os.environ)
    left = writes

    def dying(write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def written(*arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return await write(*arguments)

        return written

    async with running(settings, components, SystemClock()) as service:
        store: Any = service.parts.store
        for name in ("update", "update_unless_stored", "remove"):
            setattr(store, name, dying(getattr(store, name)))
        storages: list[Any] = list(service.parts.storages.by_name.values())
        for storage in storages:
            storage.delete = dying(storage.delete)
        sys.stdout.write(f"{service.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
