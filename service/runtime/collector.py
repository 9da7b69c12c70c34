"""Sets up the interpreter's garbage collector for a long-running process."""

import gc
from typing import Final

YOUNG: Final = 5_000
"""The number of new objects, minus the freed ones, that starts a collection of the young generation; Python's default
is 700.

Imports in flight keep several thousand objects alive, which die with their imports without a collection. More frequent
collections find nothing, and cost ten times as much. Real garbage, such as the frames of an error, may keep a piece of
a body alive until the next collection: a larger number would cost memory and save hardly any time.
"""


def settle() -> None:
    """Exclude all present objects from collections. Call this once, when everything is imported and open.

    A collection of all of them, some hundred thousand objects, would stop the event loop for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
