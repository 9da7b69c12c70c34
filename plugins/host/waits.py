"""Waits for a place of our own: they say nothing of an origin or an image, so no clock that judges these runs on.

with own_wait() as seconds:
    give_back = await turns.take(seconds)
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Final

MAX_WAIT: Final = 30.0
"""Seconds that a fetch waits for places, in all. The plugin's deadline must leave room for them."""

_pause: ContextVar[Callable[[float], AbstractContextManager[float]]] = ContextVar("lading_pause", default=nullcontext)


@contextmanager
def pausing(pause: Callable[[float], AbstractContextManager[float]]) -> Iterator[None]:
    """Within the block, ``own_wait`` enters ``pause(seconds)``, which stops clocks and says how long a wait may be."""
    token = _pause.set(pause)
    try:
        yield
    finally:
        _pause.reset(token)


def own_wait(seconds: float = MAX_WAIT) -> AbstractContextManager[float]:
    """Around a wait for a place of our own: the clocks of the present work stand still. It gives the seconds that the
    wait may take, at most ``seconds``.
    """
    return _pause.get()(seconds)
