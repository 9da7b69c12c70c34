"""Groups of commands, and when the modules of a command are imported: not before somebody calls it.

The whole service is some eight hundred modules. A command of a client needs a tenth of them.
"""

import gc
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click


class InOrder(click.Group):
    """Lists its commands in the order in which they were added, the order in which people need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (the signature is click's)
        """See ``click.Group.list_commands``."""
        return list(self.commands)


class Lazy(click.Group):
    """A group that imports a command when it is called, or listed with its summary."""

    def __init__(self, *args: Any, places: Mapping[str, str], **attributes: Any) -> None:
        """A group.

        Args:
            *args: see ``click.Group``.
            **attributes: see ``click.Group``.
            places: where each command is: a module, relative to this package, a colon, and the name in the module. They
                are listed in this order.
        """
        super().__init__(*args, **attributes)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (the signature is click's)
        """See ``click.Group.list_commands``."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (as above)
        """See ``click.Group.get_command``. Blocks: it imports the command."""
        if cmd_name not in self.places:
            return None
        module, _, name = self.places[cmd_name].partition(":")
        with loading():
            command: click.Command = getattr(import_module(f".{module}", __package__), name)
        return command


@contextmanager
def loading() -> Iterator[None]:
    """For a block that imports modules.

    Ctrl-C ends the process like every other program, without a traceback of imports. The garbage collector rests:
    imports make several hundred thousand objects and hardly any garbage, and looking for it takes a fifth of a start.
    """
    is_interruptible = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        _import_structlog()
        yield
    finally:
        if was_collecting:
            gc.enable()
        if is_interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _import_structlog() -> None:
    """Import it without rich.

    It imports rich wherever that is installed, a tenth of a start, for tracebacks that Lading writes itself.
    """
    modules: Any = sys.modules
    modules.setdefault("rich", None)
    try:
        import structlog  # noqa: F401, PLC0415
    finally:
        if modules["rich"] is None:
            del modules["rich"]
