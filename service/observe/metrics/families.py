"""Every metric: name, help, labels and buckets. ``docs/reference/metrics.md`` is made from this list.

Names follow Prometheus' conventions (https://prometheus.io/docs/practices/naming/): base units, ``_total`` for
counters. No label has values that strangers choose: no host, no URL, no album.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric.

    Attributes:
        labels: names of its labels, in the order in which the recorder gives their values.
        buckets: upper bounds of a histogram, without infinity.
        is_shared: whether every process tells the same gauge, such as a count in the database: the largest value
            counts. Other gauges of several processes are added up.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    is_shared: bool = False


_REQUEST: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_IMPORT: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)
_STORE: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_CALL: Final = (0.001, 0.01, 0.1, 1, 10, 60)
_LAG: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)

REQUESTS: Final = Family(
    "lading_http_requests_total",
    Kind.COUNTER,
    "Answered requests to the API. A path without a route has route other, an unknown method has method other.",
    ("route", "method", "status"),
)
REQUEST_SECONDS: Final = Family(
    "lading_http_request_duration_seconds",
    Kind.HISTOGRAM,
    "Duration of requests to the API, from the head of the request to the end of the answer. Event streams last long.",
    ("route", "method"),
    _REQUEST,
)
IMPORTS: Final = Family(
    "lading_imports_total",
    Kind.COUNTER,
    "Imports that reached a final state. code is the error of a failed import and none otherwise; fetcher is the"
    " import_type, and none if the import never ran.",
    ("status", "code", "fetcher"),
)
IMPORT_SECONDS: Final = Family(
    "lading_import_duration_seconds",
    Kind.HISTOGRAM,
    "Time from the acceptance of an import to its final state.",
    ("status",),
    _IMPORT,
)
ISSUER_IMPORTS: Final = Family(
    "lading_issuer_imports_total",
    Kind.COUNTER,
    "Imports that reached a final state, by issuer. Only with [admin] issuer_series above 0; further issuers count as"
    " other.",
    ("issuer", "status"),
)
PHASE_SECONDS: Final = Family(
    "lading_attempt_phase_duration_seconds",
    Kind.HISTOGRAM,
    "Duration of the phases of an attempt: turn (wait for a place), dns, connect, tls, send, head, body, detect,"
    " process, save. Phases of third-party plugins have phase other.",
    ("phase",),
    _REQUEST,
)
FETCHED_BYTES: Final = Family(
    "lading_fetched_bytes_total",
    Kind.COUNTER,
    "Bytes of image bodies that fetchers read, also those of fetches that failed.",
    ("fetcher",),
)
STORED_BYTES: Final = Family(
    "lading_stored_bytes_total", Kind.COUNTER, "Bytes of images that a storage saved.", ("storage",)
)
RETIRED: Final = Family(
    "lading_retention_removed_imports_total",
    Kind.COUNTER,
    "Imports that [retention] removed, by their state.",
    ("status",),
)
RETIRED_BYTES: Final = Family(
    "lading_retention_removed_bytes_total",
    Kind.COUNTER,
    "Bytes of the images that [retention] deleted with their imports, by the state of the import. An image that other"
    " imports share stays for them, and counts again with the last of these.",
    ("status",),
)
CLAIMED: Final = Family(
    "lading_claimed_imports_total",
    Kind.COUNTER,
    "Imports that workers claimed from the queue. An import that is retried is claimed again.",
)
PLUGIN_CALLS: Final = Family(
    "lading_plugin_calls_total",
    Kind.COUNTER,
    "Calls of plugins. outcome is ok, cancelled, source_failed or the code of an error.",
    ("kind", "plugin", "operation", "outcome"),
)
PLUGIN_SECONDS: Final = Family(
    "lading_plugin_call_duration_seconds",
    Kind.HISTOGRAM,
    "Duration of calls of plugins, with the wait for a place.",
    ("kind", "plugin", "operation"),
    _CALL,
)
STORE_SECONDS: Final = Family(
    "lading_document_operation_duration_seconds",
    Kind.HISTOGRAM,
    "Duration of operations of the document store. outcome is ok, unavailable, refused, failed or cancelled.",
    ("operation", "outcome"),
    _STORE,
)
DELIVERIES: Final = Family(
    "lading_webhook_attempts_total",
    Kind.COUNTER,
    "Attempts to deliver an event to a webhook. outcome is delivered, retried (another attempt follows) or failed.",
    ("outcome",),
)
DELIVERY_SECONDS: Final = Family(
    "lading_webhook_attempt_duration_seconds",
    Kind.HISTOGRAM,
    "Duration of attempts to deliver an event to a webhook.",
    (),
    _REQUEST,
)
LAG: Final = Family(
    "lading_event_loop_lag_seconds",
    Kind.HISTOGRAM,
    "How late the event loop was, measured once a second in every process. Requests and imports wait as long.",
    (),
    _LAG,
)
LINES_DROPPED: Final = Family(
    "lading_log_lines_dropped_total", Kind.COUNTER, "Log lines that were dropped because nobody read them."
)
SPANS_DROPPED: Final = Family(
    "lading_spans_dropped_total",
    Kind.COUNTER,
    "Spans that no receiver of OpenTelemetry has got. reason is queue (the exporter was too slow) or export (the"
    " receiver did not take them).",
    ("reason",),
)
DISPATCH_EVENTS: Final = ("published", "pulled", "redelivered", "swept", "dropped")
DISPATCHED: Final = Family(
    "lading_dispatch_imports_total",
    Kind.COUNTER,
    "Imports between this process and the broker, where NATS dispatches. event is published, pulled, redelivered"
    " (pulled, and not for the first time), swept (claimed from the database without the broker) or dropped (a message"
    " could not be sent).",
    ("event",),
)
RESTARTS: Final = Family(
    "lading_child_restarts_total",
    Kind.COUNTER,
    "Service processes that died and were started again by the supervisor.",
)
QUEUE: Final = Family(
    "lading_queue_imports",
    Kind.GAUGE,
    "Imports in the database that are not final, by state: waiting (for their bytes), queued (due now), delayed (queued"
    " for a later attempt), running. Every process and every machine tells the same number: use max, not sum.",
    ("state",),
    is_shared=True,
)
OLDEST: Final = Family(
    "lading_queue_oldest_age_seconds",
    Kind.GAUGE,
    "How long the queued import has been due that has been due the longest; 0 if none is due.",
    is_shared=True,
)
PLACES_USED: Final = Family(
    "lading_places_in_use",
    Kind.GAUGE,
    "Places in use: worker (imports), decoders, lookups (of host names), connections (of the http fetcher), downloads,"
    " uploads, thumbnails (requests for them), rendering (of thumbnails), streams (of events), waits (long polls),"
    " deliveries (of webhooks), mongo (operations of MongoDB), and the calls of each plugin, such as storage.local.",
    ("place",),
)
PLACES_FREE: Final = Family("lading_places_free", Kind.GAUGE, "Places that are free; see above.", ("place",))
PLACES_WAITED_FOR: Final = Family(
    "lading_places_waiting", Kind.GAUGE, "Imports or calls that wait for a place.", ("place",)
)
BUILD: Final = Family(
    "lading_build_info",
    Kind.GAUGE,
    "Always 1; its labels say which version runs.",
    ("version", "python"),
)

FAMILIES: Final[Sequence[Family]] = (
    *(REQUESTS, REQUEST_SECONDS),
    *(IMPORTS, IMPORT_SECONDS, ISSUER_IMPORTS, PHASE_SECONDS, FETCHED_BYTES, STORED_BYTES),
    *(QUEUE, OLDEST, CLAIMED, DISPATCHED, RETIRED, RETIRED_BYTES),
    *(PLACES_USED, PLACES_FREE, PLACES_WAITED_FOR),
    *(PLUGIN_CALLS, PLUGIN_SECONDS, STORE_SECONDS),
    *(DELIVERIES, DELIVERY_SECONDS),
    *(LAG, LINES_DROPPED, SPANS_DROPPED, RESTARTS, BUILD),
)
"""All metrics of Lading itself, in the order of the reference. Those of processes are added by ``exposition``."""
BY_NAME: Final = {family.name: family for family in FAMILIES}
