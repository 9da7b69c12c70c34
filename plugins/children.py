"""How plugins start child processes that run a module of ours in the service's own Python."""

import os
import sys
from pathlib import Path
from typing import Final

_INHERITED_VARIABLES: Final = ("LD_LIBRARY_PATH",)
"""Without it some builds of Python do not start; nothing else of the service's environment reaches a child."""


def python_command(module: str) -> tuple[str, ...]:
    """Program and arguments of a child that runs ``main`` of the module.

    The child gets the very import path of this process: run from a source tree or from an odd place, both find the same
    code. -I ignores the environment, -B writes no bytecode files.
    """
    program = f"import sys; sys.path[:] = sys.argv[1:]; from {module} import main; main()"
    return (sys.executable, "-I", "-B", "-c", program, *(str(Path(entry).absolute()) for entry in sys.path))


def child_environment() -> dict[str, str]:
    """The whole environment of such a child."""
    return {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}


def absolute_path(path: Path) -> str:
    """The name that means to a child, whose folder is another, what ``path`` means here."""
    absolute, own = str(path), "/proc/self/"
    if not absolute.startswith("/"):
        absolute = str(path.absolute())
    return f"/proc/{os.getpid()}/{absolute.removeprefix(own)}" if absolute.startswith(own) else absolute
