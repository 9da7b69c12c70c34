"""The part of the event loop's time that one response may take."""

from typing import Final

_READ_SECONDS: Final = 0.0001
"""A read and the tasks that it wakes cost so much of the loop's time, however few bytes it brings."""
_CHUNK_SECONDS: Final = 3e-6
_FREE_SECONDS: Final = 0.02
"""200 reads: 32 MiB at full speed, or an image of 300 KB in one TCP segment after another."""
_REST_SHARE: Final = 31
_SHORT_READ: Final = 2 * 1024
_SHORT_READ_REST_SECONDS: Final = 0.025
"""A read that brings a segment or less says that the origin sends little at a time: the kernel can keep what it sends
meanwhile, so a longer rest costs no speed, and it spares the kernel a wake-up of this process for each segment."""


class Pace:
    """Counts what reading a response costs, and says how long the connection rests.

    A response begins with 20 ms of the loop's time. When these are spent, it takes one part in 32: the connection rests
    after each read, and the kernel gathers the bytes that arrive meanwhile. It rests longer after a short read. So a
    response in many short segments costs little, and a long one, read 256 KiB at a time, still comes at 80 MB/s. The
    costs are constants: no rest depends on how busy the machine is.
    """

    def __init__(self) -> None:
        self._free = _FREE_SECONDS

    def restart(self) -> None:
        """Begin another response."""
        self._free = _FREE_SECONDS

    def rest_after(self, read_bytes: int, chunks: int) -> float:
        """Count a read.

        Args:
            read_bytes: bytes that the read brought.
            chunks: chunks that the read brought.

        Returns:
            seconds in which the connection reads nothing.
        """
        cost = _READ_SECONDS + chunks * _CHUNK_SECONDS
        self._free -= cost
        if self._free >= 0:
            return 0.0
        return max(cost * _REST_SHARE, _SHORT_READ_REST_SECONDS if read_bytes < _SHORT_READ else 0.0)
