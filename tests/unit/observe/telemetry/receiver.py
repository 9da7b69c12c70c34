"""A receiver of OpenTelemetry, as its specification describes it (OTLP/HTTP), with the official protobuf messages."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Received:
    """A span that has come.

    Attributes:
        resource: what its process says of itself.
    """

    span: Span
    resource: Mapping[str, str | int]

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def trace_id(self) -> str:
        return self.span.trace_id.hex()

    @property
    def id(self) -> str:
        return self.span.span_id.hex()

    @property
    def parent(self) -> str:
        return self.span.parent_span_id.hex()

    @property
    def links(self) -> list[tuple[str, str]]:
        return [(link.trace_id.hex(), link.span_id.hex()) for link in self.span.links]

    @property
    def facts(self) -> dict[str, str | int]:
        return _values(self.span.attributes)


@dataclass
class Receiver:
    """What has come.

    Attributes:
        status: of every answer.
        bodies: of all requests.
        headers: of the last request.
        may_answer: the receiver hangs until it is set.
        asked: set by a request.
    """

    endpoint: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    may_answer: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    @property
    def spans(self) -> list[Received]:
        """All spans, in the order in which they came."""
        return [
            Received(span, _values(resource.resource.attributes))
            for body in tuple(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def _values(attributes: object) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for pair in attributes:  # type: ignore[attr-defined]
        found[pair.key] = getattr(pair.value, pair.value.WhichOneof("value"))
    return found


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver()
    receiver.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.headers = dict(self.headers)
            receiver.asked.set()
            receiver.may_answer.wait(60)
            if receiver.status == 200 and self.path == "/v1/traces":
                receiver.bodies.append(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(receiver.status if self.path == "/v1/traces" else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()
