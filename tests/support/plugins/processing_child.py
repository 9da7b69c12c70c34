"""A process that begins an attempt with the processor ``metadata`` for each step of it, and kills each at that step.

Arguments: a folder for each step, of that name, with a ``service.conf``. It forks, since a start of Python and Lading
for each step costs more than all attempts.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from lading.backends.guard.capabilities import GuardedFiles
from lading.plugins.host.processing import GuardedProcessor
from lading.service.config import load_all
from lading.service.documents import DocumentStore
from lading.service.models.clock import SystemClock
from lading.service.runtime.wiring import make_worker, open_parts
from lading.service.work.pipeline.processing import Processing
from tests.support.servers.service import environment

OVERRIDES: Final = "overrides.json"
LEASE: Final = timedelta(milliseconds=1)
STEPS: Final[Mapping[str, tuple[type, str, bool]]] = {
    "process begins": (GuardedProcessor, "process", True),
    "output is written": (GuardedProcessor, "process", False),
    "output is detected": (Processing, "_recognised", False),
    "save begins": (GuardedFiles, "save_file", True),
    "object is stored": (GuardedFiles, "save_file", False),
    "result is written": (DocumentStore, "update", False),
}
"""The call with which the process ends, and whether it ends before the call or after it."""


def overrides(folder: Path) -> dict[str, str]:
    """The configuration of a step; the file ``OVERRIDES`` in its folder adds to it."""
    more = folder / OVERRIDES
    return environment(
        folder,
        **(json.loads(more.read_text(encoding="utf-8")) if more.exists() else {}),
        LADING_WORKER__SPOOL_DIRECTORY=str(folder / "spool"),
        LADING_WORKER__SPOOL_MEMORY_BYTES="0",
        LADING_DETECT_PILLOW__PROCESSES="1",
        LADING_PROCESS__PLUGINS="metadata",
    )


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(owner: Any, name: str, *, before: bool) -> None:
    """Let a method end the process."""
    method = getattr(owner, name)

    async def call(*arguments: Any, **named: Any) -> Any:
        if before:
            die()
        await method(*arguments, **named)
        die()

    setattr(owner, name, call)


async def attempt(folder: Path, step: str) -> None:
    settings, components = load_all(folder / "service.conf", overrides(folder))
    async with open_parts(settings, components, SystemClock()) as parts:
        await parts.storage.ping()
        await parts.store.register("worker", LEASE)
        (document,) = await parts.store.claim("worker", 1)
        owner, name, before = STEPS[step]
        dying(type(parts.store) if owner is DocumentStore else owner, name, before=before)
        await make_worker(parts, "worker")._attempts.run(document)


def main(folders: list[Path]) -> None:
    for folder in folders:
        child = os.fork()
        if not child:
            asyncio.run(attempt(folder, folder.name))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
