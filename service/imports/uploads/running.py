"""An import whose bytes are being received."""

from dataclasses import dataclass, field
from datetime import datetime

from ....plugins.host.record import Trace
from ...models import Import
from ...work.leases import Lease


@dataclass(slots=True)
class Reception:
    """An import whose bytes are being received.

    Attributes:
        document: the running import.
        lease: the lease that it runs under.
        is_over: whether its result is written.
        trace, began_at, started: the attempt's trace, and its beginning by the clock and in monotonic seconds.
    """

    document: Import
    lease: Lease
    began_at: datetime
    is_over: bool = False
    trace: Trace = field(default_factory=Trace)
    started: float = 0.0
