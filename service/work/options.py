"""The options of a worker."""

from dataclasses import dataclass
from datetime import timedelta

from .slots import Limits


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of a worker.

    Attributes:
        limits: bounds on the concurrent imports.
        host_patience: seconds for which imports wait for a host that serves nobody.
        max_host_pause: the longest ``Retry-After`` in seconds that the worker obeys.
        lease: seconds for which the worker owns its imports after its last heartbeat.
        poll_interval: seconds between two polls of the queue when nothing happens.
        grace: seconds for which running imports may continue after ``stop``; then they go back to the queue.
    """

    limits: Limits
    host_patience: float
    max_host_pause: float
    lease: timedelta
    poll_interval: float
    grace: float

    @property
    def beat(self) -> float:
        """Seconds between two heartbeats: three of them in a lease."""
        return self.lease.total_seconds() / 3
