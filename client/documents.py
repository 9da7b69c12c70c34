"""The service's other documents: batches, traces, preflights, webhooks and deliveries, as frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .models import MOMENT, TUPLE, ImageFacts, Model, Problem, many, one


@dataclass(frozen=True, slots=True, kw_only=True)
class Album(Model):
    """An album that has imports.

    Attributes:
        import_count: its imports, which are counted up to some number.
        is_exact: whether it certainly has no more.
        newest_at: when the newest of them was made.
    """

    album_id: str
    import_count: int
    is_exact: bool
    newest_at: datetime = field(metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Model):
    """The state of a batch.

    Attributes:
        complete: whether the service read its request to the end.
        accepted: items that became imports.
        replayed: items whose imports an earlier request with the same key had made.
        rejected: refused items by code.
        imports: its imports by state.
        failed: its failed imports by code.
        not_repeatable: failed imports that had secrets, which the service has dropped.
    """

    id: str
    organization_id: str
    created_at: datetime = field(metadata=MOMENT)
    complete: bool
    accepted: int
    replayed: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    imports: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    not_repeatable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRetry(Model):
    """What ``retry_batch`` did: the number of retried imports, and of the others by code."""

    retried: int
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceAttempt(Model):
    """An attempt at an import.

    Attributes:
        milliseconds: its duration.
        phases: each with ``hop``, ``name`` and ``milliseconds``.
        redirects: that the fetch followed.
        plugin: that failed; None if none did.
    """

    began_at: datetime = field(metadata=MOMENT)
    milliseconds: float
    status: str
    phases: Sequence[Mapping[str, Any]] = ()
    redirects: Sequence[Any] = ()
    plugin: str | None = None
    error: Problem | None = field(default=None, metadata=one(Problem))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(Model):
    """The attempts at an import, the earliest first.

    Attributes:
        trace_id: of OpenTelemetry; None where the service makes no spans.
    """

    id: str
    status: str
    trace_id: str | None = None
    attempts: tuple[TraceAttempt, ...] = field(default=(), metadata=many(TraceAttempt))


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight(Model):
    """What an import would do.

    Attributes:
        would_succeed: whether the image would be stored.
        grant: the ability that the import needs, and whether the token has it.
        findings: the verdict on each hop.
        error: why it would fail, with a hint.
        image: facts about the image; None where the fetch or the detection fails.
        duplicates: images that have the same bytes.
    """

    would_succeed: bool
    grant: Mapping[str, Any] = field(default_factory=dict)
    findings: Any = None
    final_url: str | None = None
    image: ImageFacts | None = field(default=None, metadata=one(ImageFacts))
    duplicates: Sequence[str] = ()
    plugins: Mapping[str, Any] = field(default_factory=dict)
    error: Problem | None = field(default=None, metadata=one(Problem))
    mirrors: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Model):
    """An endpoint that gets events.

    Attributes:
        secret: signs the requests; only a new endpoint and a rotation have it.
    """

    id: str
    url: str
    events: tuple[str, ...] = field(default=(), metadata=TUPLE)
    description: str = ""
    enabled: bool = True
    disabled_reason: str | None = None
    created_at: datetime = field(metadata=MOMENT)
    updated_at: datetime = field(metadata=MOMENT)
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt(Model):
    """An attempt to deliver an event: the status of the answer, its duration and its error."""

    at: datetime = field(metadata=MOMENT)
    status: int | None = None
    ms: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Model):
    """The delivery of an event to an endpoint.

    Attributes:
        type: of the event.
        status: ``pending``, ``delivered`` or ``failed``.
        payload: the body of the request; None in lists.
    """

    id: str
    event_id: str
    type: str
    status: str
    created_at: datetime = field(metadata=MOMENT)
    next_attempt_at: datetime | None = field(default=None, metadata=MOMENT)
    attempt_count: int = 0
    attempts: tuple[DeliveryAttempt, ...] = field(default=(), metadata=many(DeliveryAttempt))
    payload: Mapping[str, Any] | None = field(default=None, repr=False)
