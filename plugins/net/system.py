"""Asks the system's own resolver, ``getaddrinfo``, which blocks a thread that nothing can interrupt."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ..errors import DnsFailed, FetcherBusy, HostNotFound

Lookup = Callable[[str], tuple[str, ...]]
"""Gives the addresses of a host name as texts, in the order of preference. Blocks; raises ``socket.gaierror``."""

_NO_SUCH_HOST: Final = frozenset(
    code for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if (code := getattr(socket, name, None)) is not None
)


def system_lookup(host: str) -> tuple[str, ...]:
    """Ask the system's resolver; blocks. See ``Lookup``."""
    # As bytes, so that Python's own IDNA 2003 codec has no say.
    infos = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    # An IPv6 address with a scope comes as address%zone, and is denied by that.
    return tuple(dict.fromkeys(str(info[4][0]) for info in infos))


class SystemNames:
    """See ``lading.plugins.net.resolver.Names``. Each look-up has a thread, which ends with the look-up alone.

    Args:
        lookup: what blocks.
    """

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup
        self._answers: set[asyncio.Future[tuple[str, ...]]] = set()

    async def look_up(self, host: str, ended: Callable[[], None]) -> tuple[str, ...]:
        """See ``Names.look_up``. A look-up that is cancelled goes on, and holds its place until it ends."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

        def settle(addresses: tuple[str, ...], error: Exception | None) -> None:
            ended()
            if answer.done():
                return
            if error is None:
                answer.set_result(addresses)
            else:
                answer.set_exception(error)

        def run() -> None:
            addresses: tuple[str, ...] = ()
            failure: Exception | None = None
            try:
                addresses = self._lookup(host)
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                failure = error
            with suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(settle, addresses, failure)

        try:
            # Daemon: a process that ends does not wait for a name server.
            threading.Thread(target=run, name=f"lading-lookup-{host}", daemon=True).start()
        except RuntimeError as error:
            ended()
            raise FetcherBusy("no thread is left for a name look-up") from error
        self._answers.add(answer)
        try:
            return await answer
        except socket.gaierror as error:
            if error.errno in _NO_SUCH_HOST:
                raise HostNotFound(f"{host}: {error.strerror}") from error
            raise DnsFailed(f"{host}: {error.strerror}") from error
        except (OSError, ValueError) as error:
            raise DnsFailed(f"{host}: {error}") from error
        finally:
            self._answers.discard(answer)

    def close(self) -> None:
        """End every wait with ``DnsFailed``; the threads end by themselves."""
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(DnsFailed("the resolver was closed"))
