"""A meter that makes spans of OpenTelemetry, by its semantic conventions where they have a name.

    request -> accept -> attempt -> phases, calls of plugins, operations of the database
                      -> delivery of a webhook

The span of the acceptance is kept with the import. Every attempt is its child, whichever process makes it and however
late, and so is every delivery: an import is one trace, with the id that its client has sent. An import of a batch is a
trace of its own, linked to the request, since a trace of a hundred thousand imports would help nobody.

An attribute holds ids, codes and numbers, and the host of the source, which logs show too. Paths, parameters, headers
and texts of errors may hold secrets, and are left out.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Self

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.contextvars import bind_contextvars, reset_contextvars

from ....plugins.host.record import Phase, PluginCall
from ...models import Import
from ..metrics.meter import NO_SCOPE, Meter, Scope

MAX_CHILDREN: Final = 100
"""Phases, calls and operations that become spans of one scope: a stream of events reads the database for an hour."""
MAX_TRACESTATE: Final = 512
"""Characters of a ``tracestate`` that are kept (https://www.w3.org/TR/trace-context/#tracestate-limits). A longer one
is dropped.
"""
UNTRACED: Final = frozenset({"/healthz", "/readyz"})
"""Routes of probes, which come every few seconds."""
PIECES: Final = frozenset({"read"})
"""Operations of plugins that a stream makes again and again; the phase ``body`` has them all."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ATTRIBUTES: Final[Mapping[str, str]] = {
    "import_id": "lading.import.id",
    "batch_id": "lading.batch.id",
    "status": "lading.import.status",
    "code": "error.type",
    "outcome": "lading.delivery.outcome",
    "http_status": "http.response.status_code",
}
"""The attribute of each fact that a scope notes."""
_SERVER_ERROR: Final = 500
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TRACE_CONTEXT: Final = TraceContextTextMapPropagator()
_ROOT: Final = Context()


class SpanScope(Scope):
    """See ``Scope``.

    Args:
        tracer: makes the spans within this one.
        span: of the scope.

    Attributes:
        span: the same.
        inner: the parent of spans within this one.
    """

    __slots__ = ("_bound", "_children", "_is_ended", "_token", "_tracer", "inner", "span")

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self.span = span
        self.inner = set_span_in_context(span, _ROOT)
        self._children = 0
        self._is_ended = False
        self._token: Token[SpanScope | None] | None = None
        self._bound: Mapping[str, Token[object]] = {}

    def __enter__(self) -> Self:
        context = self.span.get_span_context()
        self._token = _present.set(self)
        # Every log line of the scope has them, by the names of
        # https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/.
        self._bound = bind_contextvars(
            trace_id=format_trace_id(context.trace_id), span_id=format_span_id(context.span_id)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """See ``Scope.__exit__``. The text of an error is left out."""
        if error is not None:
            code = getattr(error, "code", None)
            self.note(code=code if isinstance(code, str) else type(error).__name__)
        reset_contextvars(**self._bound)
        if self._token is not None:
            _present.reset(self._token)
        self.end()

    def note(self, **facts: str | int | None) -> None:
        """See ``Scope.note``."""
        if not self.span.is_recording():
            return
        self.span.set_attributes({ATTRIBUTES[name]: fact for name, fact in facts.items() if fact is not None})
        status = facts.get("http_status")
        if facts.get("code") is not None:
            self.span.set_status(StatusCode.ERROR)
        elif isinstance(status, int) and status >= _SERVER_ERROR:
            self.span.set_attribute("error.type", str(status))
            self.span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """See ``Scope.end``."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._children > MAX_CHILDREN:
            self.span.set_attribute("lading.spans.left_out", self._children - MAX_CHILDREN)
        self.span.end()

    def add(self, name: str, ended: float, seconds: float, facts: Mapping[str, str | int], error: str | None) -> None:
        """Add something of the past.

        Args:
            name: of the span.
            ended: how many seconds ago.
            seconds: duration.
            facts: attributes.
            error: code of the failure; None without one.
        """
        if not self.span.is_recording():
            return
        self._children += 1
        if self._children > MAX_CHILDREN:
            return
        end = time.time_ns() - round(ended * 1e9)
        child = self._tracer.start_span(name, self.inner, attributes=facts, start_time=end - round(seconds * 1e9))
        if error is not None:
            child.set_attribute("error.type", error)
            child.set_status(StatusCode.ERROR)
        child.end(end)


_present: ContextVar[SpanScope | None] = ContextVar("lading_span", default=None)
# OpenTelemetry's own context stays empty: libraries that are instrumented would send the trace to strangers.


class Spans(Meter):
    """A meter that makes spans of what it is told.

    Args:
        meter: is told everything as well.
        tracer: makes the spans.
    """

    def __init__(self, meter: Meter, tracer: Tracer) -> None:
        self._meter = meter
        self._tracer = tracer
        untraced = ("request", "import_ended", "fetched", "stored", "claimed", "dispatched", "retired", "delivery")
        for name in (*untraced, "spans_dropped"):
            setattr(self, name, getattr(meter, name))  # makes no span

    # --- under way ----------------------------------------------------------------------------------------------------

    def requested(self, route: str, method: str, path: str, header: Callable[[str], Sequence[str]]) -> Scope:
        """See ``Meter.requested``."""
        if route in UNTRACED:
            return NO_SCOPE
        known = method if method in METHODS else "_OTHER"
        facts: dict[str, str | int] = {"http.request.method": known, "url.scheme": "http"}
        name = known if known in METHODS else "HTTP"
        if route.startswith("/"):
            facts |= {"http.route": route, "url.path": _shown(path, route)}
            name = f"{name} {route}"
        return self._scope(name, _parent(header("traceparent"), header("tracestate")), SpanKind.SERVER, facts)

    def accepting(self, *, is_one_of_many: bool) -> Scope:
        """See ``Meter.accepting``."""
        here = _present.get()
        if here is None:
            return self._scope("accept import", _ROOT, SpanKind.PRODUCER)
        request = here.span.get_span_context()
        if is_one_of_many and request.trace_flags.sampled:
            return self._scope("accept import", _ROOT, SpanKind.PRODUCER, links=[Link(request)])
        return self._scope("accept import", here.inner, SpanKind.PRODUCER)

    def attempting(self, document: Import, fetcher: str | None) -> Scope:
        """See ``Meter.attempting``. Where a request brings the bytes, the attempt is linked to it."""
        here, parent = _present.get(), _kept(document.traceparent)
        if parent is None:
            parent = _ROOT if here is None else here.inner
        facts: dict[str, str | int] = {"lading.import.id": document.id, "lading.import.attempt": document.attempts}
        if fetcher is not None:
            facts["lading.fetcher"] = fetcher
        if document.host:
            facts["lading.source.host"] = document.host
        links = [] if here is None else [Link(here.span.get_span_context())]
        return self._scope("attempt import", parent, SpanKind.CONSUMER, facts, links)

    def delivering(self, traceparent: str | None, *, delivery_id: str, event: str, host: str, attempt: int) -> Scope:
        """See ``Meter.delivering``."""
        facts: dict[str, str | int] = {
            "http.request.method": "POST",
            "lading.delivery.id": delivery_id,
            "lading.delivery.attempt": attempt,
            "lading.event.type": event,
        }
        name, _, port = host.rpartition(":")
        if name and port.isdigit():
            facts |= {"server.address": name, "server.port": int(port)}
        return self._scope("deliver webhook", _kept(traceparent) or _ROOT, SpanKind.CLIENT, facts)

    @property
    def traceparent(self) -> str | None:
        """See ``Meter.traceparent``."""
        headers = self.trace_headers
        return " ".join(headers.values()) or None

    @property
    def trace_headers(self) -> Mapping[str, str]:
        """See ``Meter.trace_headers``."""
        here = _present.get()
        headers: dict[str, str] = {}
        if here is not None:
            _TRACE_CONTEXT.inject(headers, here.inner)
        return headers

    def _scope(
        self,
        name: str,
        parent: Context,
        kind: SpanKind,
        facts: Mapping[str, str | int] | None = None,
        links: Sequence[Link] = (),
    ) -> SpanScope:
        return SpanScope(self._tracer, self._tracer.start_span(name, parent, kind, facts, links))

    # --- ended --------------------------------------------------------------------------------------------------------

    def phases(self, phases: Iterable[Phase]) -> None:
        """See ``Meter.phases``."""
        self._meter.phases(phases)
        here = _present.get()
        if here is not None:
            now = time.monotonic()
            for hop, name, seconds, began in phases:
                here.add(name, now - began - seconds, seconds, {"lading.hop": hop}, None)

    def plugin_call(self, call: PluginCall) -> None:
        """See ``Meter.plugin_call``."""
        self._meter.plugin_call(call)
        here = _present.get()
        if here is not None and call.operation not in PIECES:
            kind, plugin, operation, outcome, seconds = call
            facts = {"lading.plugin.kind": kind, "lading.plugin.name": plugin, "lading.plugin.operation": operation}
            here.add(f"{kind}.{plugin} {operation}", 0, seconds, facts, None if outcome == "ok" else outcome)

    def store_call(self, operation: str, outcome: str, seconds: float) -> None:
        """See ``Meter.store_call``."""
        self._meter.store_call(operation, outcome, seconds)
        here = _present.get()
        if here is not None:
            facts = {"db.operation.name": operation}
            here.add(f"documents {operation}", 0, seconds, facts, None if outcome == "ok" else outcome)


def _parent(traceparent: Sequence[str], tracestate: Sequence[str]) -> Context:
    """The span that the header fields of a request name, as the parent of a span. What is no trace context is ignored
    (https://www.w3.org/TR/trace-context/#trace-context-http-headers-format).
    """
    if len(traceparent) != 1:
        return _ROOT
    fields = {"traceparent": list(traceparent)}
    if sum(map(len, tracestate)) + max(0, len(tracestate) - 1) <= MAX_TRACESTATE:
        fields["tracestate"] = list(tracestate)
    return _TRACE_CONTEXT.extract(fields, _ROOT)


def _kept(text: str | None) -> Context | None:
    """The span that ``Meter.traceparent`` wrote down; None if it is none."""
    if text is None:
        return None
    traceparent, _, tracestate = text.partition(" ")
    return _parent([traceparent], [tracestate] if tracestate else []) or None


def _shown(path: str, route: str) -> str:
    """The path of a request, with the names of variables where a client has put something else than ids."""
    segments, names = path.split("/"), route.split("/")
    if len(segments) != len(names):
        return route
    return "/".join(
        name if name.startswith("{") and _ID.fullmatch(segment) is None else segment
        for segment, name in zip(segments, names, strict=True)
    )
