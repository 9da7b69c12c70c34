"""Counts and times: writes what a ``Meter`` is told into a ledger.

The numbers are written here rather than by Prometheus' library. In memory that processes share, its counters and
histograms take about four to seven times as many instructions, and an import makes dozens of these calls.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from ....plugins.host.record import Phase, PluginCall
from ...models import Import, Status
from .families import (
    CLAIMED,
    DELIVERIES,
    DELIVERY_SECONDS,
    DISPATCH_EVENTS,
    DISPATCHED,
    FETCHED_BYTES,
    IMPORT_SECONDS,
    IMPORTS,
    ISSUER_IMPORTS,
    LAG,
    LINES_DROPPED,
    PHASE_SECONDS,
    PLUGIN_CALLS,
    PLUGIN_SECONDS,
    REQUEST_SECONDS,
    REQUESTS,
    RESTARTS,
    RETIRED,
    RETIRED_BYTES,
    SPANS_DROPPED,
    STORE_SECONDS,
    STORED_BYTES,
    Family,
    Kind,
)
from .ledger import SCRATCH, Ledger
from .meter import Meter

MAX_SERIES: Final = 2000
"""Series of one metric in a process. Whatever comes after them counts as ``other``: a plugin of a third party may make
up codes.
"""
OTHER: Final = "other"
NONE: Final = "none"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PHASES: Final = ("turn", "dns", "connect", "tls", "send", "head", "body", "detect", "process", "save")
OUTCOMES: Final = ("delivered", "retried", "failed")
REASONS: Final = ("queue", "export")
_PHASE_LABELS: Final = {name: (name,) for name in PHASES}
_OTHER_PHASE: Final = (OTHER,)
FINAL: Final = tuple(status.value for status in Status if status.is_final)


class Series:
    """The series of one metric in a ledger."""

    __slots__ = ("_buckets", "_cells", "_family", "_first", "_ledger", "_size")

    def __init__(self, ledger: Ledger, family: Family) -> None:
        self._ledger = ledger
        self._cells = ledger.cells
        self._family = family
        self._buckets = family.buckets
        self._size = 2 + len(family.buckets) if family.kind is Kind.HISTOGRAM else 1
        if self._size > SCRATCH:
            raise ValueError(f"{family.name} has too many buckets")
        self._first: dict[tuple[object, ...], int] = {}

    def add(self, labels: tuple[object, ...], amount: float = 1.0) -> None:
        """Increase a counter."""
        first = self._first.get(labels)
        self._cells[self._make(labels) if first is None else first] += amount

    def set(self, labels: tuple[object, ...], value: float) -> None:
        """Set a gauge; NaN hides it."""
        first = self._first.get(labels)
        self._cells[self._make(labels) if first is None else first] = value

    def observe(self, labels: tuple[object, ...], value: float) -> None:
        """Add a value to a histogram, whose numbers are the sum, then the count of each bucket, infinity last."""
        first = self._first.get(labels)
        if first is None:
            first = self._make(labels)
        cells = self._cells
        cells[first] += value
        cells[first + 1 + bisect_left(self._buckets, value)] += 1.0

    def place(self, labels: tuple[object, ...]) -> int:
        """The first number of the series with these labels, made if it does not exist."""
        first = self._first.get(labels)
        return self._make(labels) if first is None else first

    def _make(self, labels: tuple[object, ...]) -> int:
        if len(self._first) >= MAX_SERIES:
            labels = (OTHER,) * len(labels)
            if labels in self._first:
                return self._first[labels]
        first = self._ledger.place(self._family.name, tuple(map(str, labels)), self._size)
        self._first[labels] = 0 if first is None else first
        return self._first[labels]


class Timed:
    """A counter and a histogram that learn of the same events. One look-up finds the numbers of both, since most of the
    events of an import come here.

    Args:
        ledger: of both.
        counter: what is counted.
        histogram: what takes the durations. Its labels are the first labels of the counter.
    """

    __slots__ = ("_buckets", "_cells", "_counters", "_histograms", "_labels", "_places")

    def __init__(self, ledger: Ledger, counter: Family, histogram: Family) -> None:
        self._cells = ledger.cells
        self._counters = Series(ledger, counter)
        self._histograms = Series(ledger, histogram)
        self._buckets = histogram.buckets
        self._labels = len(histogram.labels)
        self._places: dict[tuple[object, ...], tuple[int, int]] = {}

    def add(self, labels: tuple[object, ...], seconds: float) -> None:
        """Count an event of this duration.

        Args:
            labels: of the counter.
            seconds: duration.
        """
        places = self._places.get(labels)
        if places is None:
            places = self._find(labels)
        counter, first = places
        cells = self._cells
        cells[counter] += 1.0
        cells[first] += seconds
        cells[first + 1 + bisect_left(self._buckets, seconds)] += 1.0

    def _find(self, labels: tuple[object, ...]) -> tuple[int, int]:
        places = self._counters.place(labels), self._histograms.place(labels[: self._labels])
        if len(self._places) < MAX_SERIES:
            self._places[labels] = places
        return places


class Recorder(Meter):
    """The meter of a process with an admin listener.

    Args:
        ledger: of the counters of this process.
        issuers: number of issuers that get series of their own.
    """

    def __init__(self, ledger: Ledger, issuers: int = 0) -> None:
        self._most_issuers = issuers
        self._issuers: set[str] = set()
        self._requests = Timed(ledger, REQUESTS, REQUEST_SECONDS)
        self._imports = Series(ledger, IMPORTS)
        self._import_seconds = Series(ledger, IMPORT_SECONDS)
        self._issuer_imports = Series(ledger, ISSUER_IMPORTS)
        self._phases = Series(ledger, PHASE_SECONDS)
        self._fetched = Series(ledger, FETCHED_BYTES)
        self._stored = Series(ledger, STORED_BYTES)
        self._claimed = Series(ledger, CLAIMED)
        self._dispatched = Series(ledger, DISPATCHED)
        for event in DISPATCH_EVENTS:
            self._dispatched.add((event,), 0)
        self._retired = Series(ledger, RETIRED)
        self._retired_bytes = Series(ledger, RETIRED_BYTES)
        self._plugin_calls = Timed(ledger, PLUGIN_CALLS, PLUGIN_SECONDS)
        self._store_seconds = Series(ledger, STORE_SECONDS)
        self._deliveries = Series(ledger, DELIVERIES)
        self._delivery_seconds = Series(ledger, DELIVERY_SECONDS)
        self._lag = Series(ledger, LAG)
        self._lines = Series(ledger, LINES_DROPPED)
        self._spans = Series(ledger, SPANS_DROPPED)
        self._restarts = Series(ledger, RESTARTS)
        # A counter that begins to exist with its first event hides that event from ``rate()``.
        for counter in (self._claimed, self._lines, self._restarts):
            counter.add((), 0.0)
        for status in FINAL:
            self._retired.add((status,), 0.0)
            self._retired_bytes.add((status,), 0.0)
        for outcome in OUTCOMES:
            self._deliveries.add((outcome,), 0.0)
        for reason in REASONS:
            self._spans.add((reason,), 0.0)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """See ``Meter.request``."""
        if method not in METHODS:
            method = OTHER
        self._requests.add((route, method, status), seconds)

    def import_ended(self, document: Import) -> None:
        """See ``Meter.import_ended``."""
        status = document.status.value
        code = document.error.code if document.error is not None and status == "failed" else NONE
        self._imports.add((status, code, document.import_type or NONE))
        self._import_seconds.observe((status,), (document.updated_at - document.created_at).total_seconds())
        if self._most_issuers:
            self._issuer_imports.add((self._issuer(document.issuer_id), status))

    def _issuer(self, issuer_id: str) -> str:
        if issuer_id not in self._issuers:
            if len(self._issuers) >= self._most_issuers:
                return OTHER
            self._issuers.add(issuer_id)
        return issuer_id

    def phases(self, phases: Iterable[Phase]) -> None:
        """See ``Meter.phases``."""
        observe = self._phases.observe
        for _, name, seconds, _ in phases:
            observe(_PHASE_LABELS.get(name, _OTHER_PHASE), seconds)

    def fetched(self, fetcher: str, byte_size: int) -> None:
        """See ``Meter.fetched``."""
        self._fetched.add((fetcher,), byte_size)

    def stored(self, storage: str, byte_size: int) -> None:
        """See ``Meter.stored``."""
        self._stored.add((storage,), byte_size)

    def claimed(self, imports: int) -> None:
        """See ``Meter.claimed``."""
        self._claimed.add((), imports)

    def dispatched(self, event: str, imports: int) -> None:
        """See ``Meter.dispatched``."""
        self._dispatched.add((event,), imports)

    def retired(self, status: str, byte_size: int) -> None:
        """See ``Meter.retired``."""
        self._retired.add((status,))
        self._retired_bytes.add((status,), byte_size)

    def plugin_call(self, call: PluginCall) -> None:
        """See ``Meter.plugin_call``."""
        self._plugin_calls.add(call[:4], call[4])

    def store_call(self, operation: str, outcome: str, seconds: float) -> None:
        """See ``Meter.store_call``."""
        self._store_seconds.observe((operation, outcome), seconds)

    def delivery(self, outcome: str, seconds: float) -> None:
        """See ``Meter.delivery``."""
        self._deliveries.add((outcome,))
        self._delivery_seconds.observe((), seconds)

    def spans_dropped(self, reason: str, spans: int) -> None:
        """See ``Meter.spans_dropped``."""
        self._spans.add((reason,), spans)

    # --- of the process itself ----------------------------------------------------------------------------------------

    def loop_was_late(self, seconds: float) -> None:
        """The event loop ran a timer so many seconds late."""
        self._lag.observe((), seconds)

    def lines_dropped(self, lines: int) -> None:
        """So many log lines were dropped."""
        self._lines.add((), lines)

    def child_restarted(self) -> None:
        """A child process died and is started again."""
        self._restarts.add(())
