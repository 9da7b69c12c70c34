"""A case of every suite: importing a plugin changes nothing that others in its process use."""

import asyncio
import functools
import json
import subprocess
import sys
from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

from ..suite import Suite

_COMMAND: Final = (sys.executable, "-P", "-m", f"{__package__}.child")


class ImportCases(Suite):
    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[Any]:
        """A plugin; it is closed on exit."""

    async def test_importing_it_changes_nothing_else(self) -> None:
        """Importing the module changes no sockets, Pillow, signals, logging, locale, environment or threads."""
        async with self.opened() as plugin:
            module = type(plugin).__module__
        if module == "__main__":
            return
        changes = await asyncio.to_thread(_changes, module, tuple(folder or str(Path.cwd()) for folder in sys.path))
        assert not changes, f"importing {module} changes what all of the process use: {'; '.join(changes)}"


@functools.lru_cache(maxsize=64)
def _changes(module: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """What importing the module changes, one phrase for each. Blocks."""
    task = json.dumps({"module": module, "path": path})
    done = subprocess.run(_COMMAND, input=task, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - ours
    assert done.returncode == 0, f"{module} cannot be imported in a new process: {done.stderr[-2000:]}"
    return tuple(json.loads(done.stdout.splitlines()[-1]))
