"""The reading of URLs, and for fetchers that open sockets: the address policy, the resolver, the guarded connections.

Authors import ``NetworkGuard`` and the other names below from here; each is imported when it is first used. This room
uses the contracts and the errors of plugins, the schemes of the host, and ``ada_url``. Begin with ``guard`` and
``session``, then ``addresses``, ``resolver`` and ``urls``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .addresses import AddressPolicy, Verdict
    from .guard import NetworkGuard
    from .options import NetworkOptions, Networks
    from .session import Session
    from .sockets import AddressDenied

__all__ = ["AddressDenied", "AddressPolicy", "NetworkGuard", "NetworkOptions", "Networks", "Session", "Verdict"]

_MODULES: Final = {
    "AddressDenied": "sockets",
    "AddressPolicy": "addresses",
    "NetworkGuard": "guard",
    "NetworkOptions": "options",
    "Networks": "options",
    "Session": "session",
    "Verdict": "addresses",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
