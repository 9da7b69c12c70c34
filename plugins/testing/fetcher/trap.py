"""Addresses that a fetcher must not connect to, names that lead there, and who connected all the same."""

import errno
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from unittest import mock

from ...net.ares import AresNames

HOST: Final = "127.66.66.66"
"""Where the kit listens. It is loopback, as are the kit's other addresses, and not among ``FetchLimits.networks``."""
ALLOWED: Final = "127.0.0.1"
ABROAD: Final = (
    "169.254.169.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[64:ff9b::a00:1]",
    "[2002:a00:1::]",
)
"""Addresses beyond loopback that are not public. The trap refuses connections to them before they are made."""
LITERALS: Final = (
    HOST,
    "127.66.16962",
    "0x7f424242",
    "2135048770",
    "0177.0102.66.66",
    f"[::ffff:{HOST}]",
    "[::1]",
    "[::]",
    "0.0.0.0",  # noqa: S104 - nobody binds to it
)
"""Spellings of addresses where the kit, or the origin itself, listens."""

_KIT: Final = str(Path(__file__).parents[1])


class Trap:
    """Listens where nobody may connect.

    Attributes:
        port: where it listens.
        sees: whether connections of the fetcher are made in this process, so that they are seen before they are made.
    """

    def __init__(self, port: int) -> None:
        self._listeners = _listeners(port)
        self.port: int = self._listeners[0].getsockname()[1]
        self.sees = False
        self._tried: list[str] = []

    def reached(self) -> str:
        """Who connected, or tried to, since the last call; empty for nobody. Does not wait."""
        found, self._tried = self._tried, []
        for listener in self._listeners:
            with suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    if not found:
                        found.append(f"a connection to {listener.getsockname()[0]} was made")
        return "; ".join(dict.fromkeys(found))

    def close(self) -> None:
        """Listen no more."""
        for listener in self._listeners:
            listener.close()

    def connecting(self, made: socket.socket, address: Any) -> None:
        """A connection is about to be made in this process.

        Raises:
            OSError: in place of a connection that would leave this machine.
        """
        if made.family not in (socket.AF_INET, socket.AF_INET6):
            return
        host = str(address[0])
        if host in (ALLOWED, f"::ffff:{ALLOWED}"):
            self.sees = True
            return
        self._tried.append(f"a connection to {host} {_where()}")
        if not host.startswith("127.") and host not in ("::1", "::", "0.0.0.0"):  # noqa: S104 - nobody binds to it
            raise OSError(errno.ENETUNREACH, "the kit lets no connection leave this machine")


_active: list[Trap] = []
_hook_installed = False


@contextmanager
def trap(port: int | None) -> Iterator[Trap]:
    """A trap for the block, on that port where it is free."""
    global _hook_installed  # noqa: PLW0603
    if not _hook_installed:  # an audit hook cannot be taken out again; without a trap it does nothing
        sys.addaudithook(_hook)
        _hook_installed = True
    made = Trap(port or 0)
    _active.append(made)
    try:
        yield made
    finally:
        _active.remove(made)
        made.close()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        for one in _active:
            one.connecting(*arguments)


@contextmanager
def staged(answers: Mapping[str, Sequence[tuple[str, ...]]]) -> Iterator[None]:
    """Let names lead where the case wants: for Python's look-ups, and for those of ``lading.plugins.net``.

    Args:
        answers: by name, the addresses that each look-up finds in turn; the last ones for all further look-ups.
    """
    left = {name: list(turns) for name, turns in answers.items()}

    def answer(name: str) -> tuple[str, ...] | None:
        turns = left.get(name.lower().rstrip("."))
        return None if turns is None else turns.pop(0) if len(turns) > 1 else turns[0]

    with (
        mock.patch.object(socket, "getaddrinfo", _addresses(answer, socket.getaddrinfo)),
        mock.patch.object(socket, "gethostbyname", _first(answer, socket.gethostbyname)),
        mock.patch.object(AresNames, "look_up", _names(answer, AresNames.look_up)),
    ):
        yield


_Answer = Callable[[str], tuple[str, ...] | None]


def _addresses(answer: _Answer, system: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        found = answer(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host))
        if found is None:
            return system(host, port, *rest, **options)
        return [info for one in found for info in system(one, port, *rest, **options)]

    return getaddrinfo


def _first(answer: _Answer, system: Callable[[str], str]) -> Callable[[str], str]:
    def gethostbyname(host: str) -> str:
        found = answer(host)
        return system(host) if found is None else found[0]

    return gethostbyname


def _names(answer: _Answer, system: Callable[..., Any]) -> Callable[..., Any]:
    async def look_up(self: AresNames, host: str, ended: Callable[[], None]) -> Any:
        found = answer(host)
        if found is None:
            return await system(self, host, ended)
        ended()
        return found

    return look_up


def _listeners(port: int) -> list[socket.socket]:
    """At the same port of each address; at any where that one is taken."""
    try:
        first = socket.create_server((HOST, port))
    except OSError:
        first = socket.create_server((HOST, 0))
    made = [first]
    with suppress(OSError):  # a machine without IPv6
        made.append(socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6))
    for listener in made:
        listener.setblocking(False)
    return made


def _where() -> str:
    """The innermost line outside of Python itself and the kit."""
    for frame in reversed(traceback.extract_stack()):
        is_library = "/lib/python" in frame.filename and "-packages" not in frame.filename
        if not is_library and not frame.filename.startswith((_KIT, "<frozen")):
            return f"was begun in {frame.name} ({Path(frame.filename).name}:{frame.lineno})"
    return "was begun"
