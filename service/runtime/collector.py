"""The interpreter's garbage collector, set up for a process that serves for long."""

import gc
from typing import Final

YOUNG: Final = 5_000
"""New objects, less those that are gone again, after which the young ones are looked at; Python's default is 700.

With imports in flight several thousand objects are alive that die with their imports, none of them garbage: to look
that often finds nothing, and costs ten times as much. What really is garbage, such as the frames of an error, may hold
a piece of a body meanwhile: with a larger number that would show in the memory, and hardly save anything.
"""


def settle() -> None:
    """What is alive now stays: it is not looked at again. To be called once, when everything is imported and open.

    A look at all of it, some hundred thousand objects, would stop the event loop for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
