"""Listening sockets of a process: bound, named and closed."""

import socket
from collections.abc import Sequence

from ..api.app import bind


def listen(address: str, port: int) -> Sequence[socket.socket]:
    """The listening sockets.

    Raises:
        OSError: the address cannot be bound; its text names it.
    """
    try:
        return bind(address, port)
    except OSError as error:
        reason = error.strerror or str(error)
    except UnicodeError:  # from the codec for host names
        reason = "not a host name"
    raise OSError(f"cannot listen on {address} port {port}: {reason}")


def url_of(listening: socket.socket) -> str:
    """The base URL of a listening socket, with the actual port."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def close_all(sockets: Sequence[socket.socket]) -> None:
    """Close the sockets."""
    for listening in sockets:
        listening.close()
