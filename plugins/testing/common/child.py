"""The process in which this package imports a plugin: ``python -m lading.plugins.testing.common.child``."""

import gc
import http.client
import json
import locale
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pydantic  # noqa: F401 - what every plugin imports is there before

from .... import plugins  # noqa: F401 - as above
from ... import contracts, errors  # noqa: F401 - as above

_TOLD_BY_NAME: Final = (
    *("the environment", "socket.", "the class socket", "the default of TLS"),
    *("sys.excepthook", "threading.excepthook"),
)


def facts() -> Mapping[str, Any]:
    """What a module may change for all of its process, by a phrase that names it."""
    return {
        "the default timeout of sockets": socket.getdefaulttimeout(),
        "socket.getaddrinfo": id(socket.getaddrinfo),
        "socket.create_connection": id(socket.create_connection),
        "the class socket.socket": id(socket.socket),
        "the default of TLS": id(ssl._create_default_https_context),  # noqa: SLF001
        "the debug level of http.client": http.client.HTTPConnection.debuglevel,
        "the level of the root logger": logging.root.level,
        "the handlers of the root logger": sorted(type(handler).__name__ for handler in logging.root.handlers),
        "logging.disable": logging.root.manager.disable,
        "the class of loggers": logging.getLoggerClass().__qualname__,
        "the locale": locale.setlocale(locale.LC_ALL),
        "the working directory": str(Path.cwd()),
        "the umask": _umask(),
        "sys.excepthook": id(sys.excepthook),
        "threading.excepthook": id(threading.excepthook),
        "the recursion limit": sys.getrecursionlimit(),
        "the collection of garbage": (gc.isenabled(), gc.get_threshold()),
        "the threads": sorted(thread.name for thread in threading.enumerate()),
        **{f"the handler of {one.name}": str(signal.getsignal(one)) for one in signal.valid_signals() if _named(one)},
        **_environment(),
        **_pillow(),
    }


def _named(number: object) -> bool:
    return isinstance(number, signal.Signals)


def _umask() -> int:
    present = os.umask(0o077)
    os.umask(present)
    return present


def _environment() -> Mapping[str, Any]:
    """Hashes: the values may be secret."""
    return {f"the environment's {name}": hash(value) for name, value in os.environ.items()}


def _pillow() -> Mapping[str, Any]:
    try:
        from PIL import Image, ImageFile  # noqa: PLC0415 - a plugin need not have it
    except ImportError:
        return {}
    Image.init()  # formats of Pillow's own
    return {
        "Pillow's registry of formats": sorted(Image.OPEN),
        "Pillow's MAX_IMAGE_PIXELS": Image.MAX_IMAGE_PIXELS,
        "Pillow's LOAD_TRUNCATED_IMAGES": ImageFile.LOAD_TRUNCATED_IMAGES,
        "Pillow's MAXBLOCK": ImageFile.MAXBLOCK,
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A phrase for each fact that differs."""
    names = [name for name in {**before, **after} if before.get(name, "absent") != after.get(name, "absent")]
    return [f"{name}{_values(before.get(name), after.get(name), name)}" for name in names]


def _values(old: Any, new: Any, name: str) -> str:
    """Before and after, where that tells an author anything."""
    if (
        name.startswith(("the environment", "socket.", "the class socket", "the default of TLS"))
        or "excepthook" in name
    ):
        return ""
    if isinstance(old, list) and isinstance(new, list):
        more, less = sorted(set(new) - set(old)), sorted(set(old) - set(new))
        return "".join((f", with {', '.join(more)}" if more else "", f", without {', '.join(less)}" if less else ""))
    return f" ({old} before, {new} after)"


if __name__ == "__main__":
    TASK = json.loads(sys.stdin.readline())
    sys.path[:] = TASK["path"]
    BEFORE = facts()
    import_module(TASK["module"])
    sys.stdout.write("\n" + json.dumps(changes(BEFORE, facts())) + "\n")
