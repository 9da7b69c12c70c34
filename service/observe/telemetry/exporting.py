"""Sends spans, in a thread of its own. Nothing waits for a receiver: beyond a bounded queue, spans are dropped."""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult
from requests import RequestException, Response, Session

from ..metrics.meter import Meter
from ..outages import Outage
from .environment import exporters, queue_size

FLUSH_SECONDS: Final = 5.0
"""How long a process that stops waits for its last spans to be sent."""
FAILED_SECONDS: Final = 1.0
"""The same if the last export has failed: the receiver is probably still away."""

log = structlog.get_logger(__name__)


class Exporting:
    """The export of the spans of a process. Created inside the running event loop.

    Args:
        meter: counts the spans that are lost.
        environ: the environment, which OpenTelemetry's SDK reads by itself too.

    Attributes:
        tracer: makes spans.

    Raises:
        ValueError: OpenTelemetry refuses the environment.
    """

    def __init__(self, meter: Meter, environ: Mapping[str, str]) -> None:
        loop = asyncio.get_running_loop()
        self._queues = [Queue(*_exporter(name), queue_size(environ), meter, loop) for name in exporters(environ)]
        # ``shutdown_on_exit`` would wait at the end of the process, without a bound.
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        for queue in self._queues:
            provider.add_span_processor(queue)
        self.tracer = provider.get_tracer("lading", version("lading"))
        # Its libraries log each failure, and headers of strangers that are no trace context.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)

    async def close(self) -> None:
        """Send the spans that wait, within ``FLUSH_SECONDS``."""
        await asyncio.gather(*(queue.close() for queue in self._queues))


def _resource() -> Resource:
    """What all spans of the process have in common. The environment has the last word."""
    own: dict[str, str | int] = {
        "service.name": "lading",
        "service.version": version("lading"),
        "process.pid": os.getpid(),
    }
    return Resource.create(own).merge(OTELResourceDetector().detect())


def _exporter(name: str) -> tuple[SpanExporter, Callable[[], str]]:
    """The exporter of a name in ``OTEL_TRACES_EXPORTER``, and what tells why its last request failed."""
    if name == "console":
        # Standard error, as the log: the standard output of the processes of a service leads nowhere.
        return ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: f"{span.to_json(indent=None)}\n"), str
    session = _Session()
    return OTLPSpanExporter(session=session), lambda: session.failure


class _Session(Session):
    """Remembers how a request failed. The texts of errors are not told: they repeat URLs, which may hold secrets."""

    failure: str = ""

    def request(self, *arguments: Any, **options: Any) -> Response:
        """See ``requests.Session.request``."""
        try:
            response = super().request(*arguments, **options)
        except RequestException as error:
            self.failure = type(error).__name__
            raise
        self.failure = f"status {response.status_code}"
        return response


class Queue(SpanProcessor):
    """Spans that wait for an exporter, which runs in a thread of its own. Spans end in the event loop's thread.

    Args:
        exporter, failure: send them, and tell why that failed.
        size: of the queue. A span that finds it full is dropped.
        meter: counts the spans that are lost.
        loop: of the process.

    Raises:
        ValueError: the environment has numbers that do not go together.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        failure: Callable[[], str],
        size: int,
        meter: Meter,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._exporter = _Watched(exporter, failure, self._lost)
        self._batches = BatchSpanProcessor(self._exporter, max_queue_size=size)
        self._size = size
        self._meter = meter
        self._loop = loop
        self._added = 0
        self._outage = Outage("the queue of spans")

    @property
    def waiting(self) -> int:
        """Spans that no export has begun with."""
        return self._added - self._exporter.taken

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """See ``SpanProcessor.on_start``."""

    def on_end(self, span: ReadableSpan) -> None:
        """See ``SpanProcessor.on_end``."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        waiting = self.waiting
        if waiting >= self._size:
            self._outage.failed(f"{waiting} spans wait for the exporter; further spans are dropped")
            self._meter.spans_dropped("queue", 1)
            return
        if waiting < self._size // 2:
            self._outage.worked()
        self._added += 1
        self._batches.on_end(span)

    def _lost(self, spans: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads the numbers of this process any more
            self._loop.call_soon_threadsafe(self._meter.spans_dropped, "export", spans)

    async def close(self) -> None:
        """Send what waits, or give it up after a few seconds: the thread ends with the process."""
        seconds = min(FAILED_SECONDS, FLUSH_SECONDS) if self._exporter.has_failed else FLUSH_SECONDS
        sent = asyncio.Event()
        threading.Thread(target=self._shut_down, args=(sent,), name="last spans", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                await sent.wait()
        except TimeoutError:
            log.warning("the process ends before its last spans are sent", seconds=seconds, spans=self.waiting)
            self._exporter.shutdown()  # interrupts what it still waits for

    def _shut_down(self, sent: asyncio.Event) -> None:
        self._batches.shutdown()  # type: ignore[no-untyped-call]
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(sent.set)


class _Watched(SpanExporter):
    """Logs one line when an exporter fails and one when it works again.

    Args:
        exporter: sends the spans.
        failure: why the last request failed; empty if nobody knows.
        lost: called with the number of spans that are lost.

    Attributes:
        taken: spans that an export has begun with.
        has_failed: whether the last export failed.
    """

    def __init__(self, exporter: SpanExporter, failure: Callable[[], str], lost: Callable[[int], None]) -> None:
        self._exporter = exporter
        self._failure = failure
        self._lost = lost
        self._outage = Outage("the receiver of spans")
        self.taken = 0
        self.has_failed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See ``SpanExporter.export``."""
        self.taken += len(spans)
        try:
            result = self._exporter.export(spans)
            reason = self._failure()
        except Exception as error:  # noqa: BLE001  # of a library, whatever it is
            result, reason = SpanExportResult.FAILURE, type(error).__name__
        self.has_failed = result is not SpanExportResult.SUCCESS
        if not self.has_failed:
            self._outage.worked()
        else:
            self._outage.failed(reason)
            self._lost(len(spans))
        return result

    def shutdown(self) -> None:
        """See ``SpanExporter.shutdown``."""
        self._exporter.shutdown()
