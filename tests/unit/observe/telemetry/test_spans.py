"""Spans: who is whose parent, what they say, and what they never say."""

import asyncio
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id
from structlog.contextvars import get_contextvars

from lading.plugins.host.record import Phase, PluginCall
from lading.service.documents import StoreUnavailable
from lading.service.errors.catalogue import ApiError
from lading.service.observe.metrics.meter import NO_METER, NO_SCOPE, Meter
from lading.service.observe.telemetry.spans import MAX_CHILDREN, Spans
from tests.support.plugins.scripted import make_import

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SENT = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"
IMPORT = "/api/v1/imports/{import_id}"


class Rig:
    """Spans, and where they end up."""

    def __init__(self, meter: Meter = NO_METER) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.spans = Spans(meter, provider.get_tracer("tests"))

    @property
    def ended(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.ended if span.name == name]
        return found

    def requested(self, *traceparent: str, tracestate: Sequence[str] = (), path: str = "/api/v1/imports") -> Any:
        fields = {"traceparent": traceparent, "tracestate": tracestate}
        return self.spans.requested("/api/v1/imports", "POST", path, fields.__getitem__)


@pytest.fixture
def rig() -> Iterator[Rig]:
    yield Rig()
    assert get_contextvars() == {}, "no scope leaves anything behind"


def ids(span: ReadableSpan) -> tuple[str, str]:
    assert span.context is not None
    return format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)


def parent_of(span: ReadableSpan) -> tuple[str, str] | None:
    return None if span.parent is None else (format_trace_id(span.parent.trace_id), format_span_id(span.parent.span_id))


def links_of(span: ReadableSpan) -> list[tuple[str, str]]:
    return [(format_trace_id(link.context.trace_id), format_span_id(link.context.span_id)) for link in span.links]


# --- the client's trace -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("traceparent", "tracestate", "kept"),
    [
        ((SENT,), (), ""),
        ((SENT,), ("congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7"), " congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
        ((f"cc-{TRACE}-{PARENT}-01-what-will-come",), (), ""),
        ((SENT,), (f"long={'x' * 255}", f"longer={'x' * 255}"), ""),
        ((SENT,), ("in valid",), ""),
    ],
)
def test_a_client_s_trace_is_continued(rig: Rig, traceparent: tuple[str], tracestate: tuple[str], kept: str) -> None:
    with rig.requested(*traceparent, tracestate=tracestate):
        assert get_contextvars()["trace_id"] == TRACE
        with rig.spans.accepting(is_one_of_many=False):
            text = rig.spans.traceparent
    request, accepted = rig.named("POST /api/v1/imports"), rig.named("accept import")
    assert parent_of(request) == (TRACE, PARENT)
    assert parent_of(accepted) == ids(request)
    assert text == f"00-{TRACE}-{ids(accepted)[1]}-01{kept}"
    document = make_import(traceparent=text)
    assert document.trace_id == TRACE
    with rig.spans.attempting(document, "url"):
        assert rig.spans.traceparent == f"00-{TRACE}-{get_contextvars()['span_id']}-01{kept}"
    assert parent_of(rig.named("attempt import")) == ids(accepted)


@pytest.mark.parametrize(
    "garbage",
    [
        (),
        ("",),
        (SENT, SENT),
        (SENT.upper(),),
        (f"ff-{TRACE}-{PARENT}-01",),
        (f"00-{'0' * 32}-{PARENT}-01",),
        (f"00-{TRACE}-{'0' * 16}-01",),
        (f"00-{TRACE}-{PARENT}",),
        (f"00-{TRACE}-{PARENT}-01-more",),
        (f"{SENT}\x00",),
        ("x" * 100_000,),
        ("🚢",),
    ],
)
def test_garbage_begins_another_trace(rig: Rig, garbage: tuple[str, ...]) -> None:
    with rig.requested(*garbage, tracestate=["congo=t61rcWkgMzE"]):
        text = rig.spans.traceparent
    (request,) = rig.ended
    assert (request.parent, text) == (None, f"00-{ids(request)[0]}-{ids(request)[1]}-03")
    assert ids(request)[0] != TRACE


def test_what_a_client_does_not_sample_is_sent_nowhere_and_goes_on_unsampled(rig: Rig) -> None:
    with rig.requested(UNSAMPLED):
        rig.spans.store_call("add", "ok", 0.1)
        for is_one_of_many in (False, True):
            with rig.spans.accepting(is_one_of_many=is_one_of_many) as scope:
                scope.note(import_id="id")
                text = rig.spans.traceparent
                assert text is not None
                assert (text[:36], text[-3:]) == (f"00-{TRACE}-", "-00")
    with rig.spans.attempting(make_import(traceparent=text), "url"), rig.spans.delivering(text, **DELIVERY):
        assert get_contextvars()["trace_id"] == TRACE
    assert rig.ended == ()


def test_an_import_of_a_batch_is_a_trace_of_its_own_that_links_to_the_request(rig: Rig) -> None:
    with rig.requested(SENT), rig.spans.accepting(is_one_of_many=True):
        text = rig.spans.traceparent
    accepted = rig.named("accept import")
    assert accepted.parent is None
    assert links_of(accepted) == [ids(rig.named("POST /api/v1/imports"))]
    with rig.spans.attempting(make_import(traceparent=text), "url"):
        pass
    assert parent_of(rig.named("attempt import")) == ids(accepted)


def test_an_attempt_in_a_request_stays_in_the_trace_of_its_import_and_links_to_the_request(rig: Rig) -> None:
    with rig.requested(), rig.spans.attempting(make_import(traceparent=SENT), "upload"):
        pass
    attempt = rig.named("attempt import")
    assert (parent_of(attempt), links_of(attempt)) == ((TRACE, PARENT), [ids(rig.named("POST /api/v1/imports"))])


@pytest.mark.parametrize("kept", [None, "", "garbage", " ", "00-zz-zz-zz x=y"])
def test_an_import_without_a_trace_gets_one(rig: Rig, kept: str | None) -> None:
    with rig.spans.attempting(make_import(traceparent=kept), None):
        pass
    with rig.spans.delivering(kept, **DELIVERY):
        assert rig.spans.trace_headers["traceparent"] == "00-{trace_id}-{span_id}-03".format(**get_contextvars())
    assert [parent_of(span) for span in rig.ended] == [None, None]


def test_outside_of_a_scope_nothing_is_traced(rig: Rig) -> None:
    rig.spans.store_call("claim", "ok", 0.1)
    rig.spans.plugin_call(PluginCall("storage", "local", "ping", "ok", 0.1))
    rig.spans.phases([Phase(1, "dns", 0.1, 0.0)])
    assert (rig.spans.traceparent, rig.spans.trace_headers, rig.ended) == (None, {}, ())
    for route in ("/healthz", "/readyz"):
        assert rig.spans.requested(route, "GET", route, lambda _: ()) is NO_SCOPE


# --- what spans say ---------------------------------------------------------------------------------------------------

DELIVERY: dict[str, Any] = {"delivery_id": "dlv_1", "event": "import.done", "host": "hooks.test:8443", "attempt": 2}


def test_an_attempt_has_its_phases_calls_and_operations(rig: Rig) -> None:
    document = make_import(traceparent=SENT, attempts=3, host="origin.test")
    with rig.spans.attempting(document, "url") as scope:
        rig.spans.plugin_call(PluginCall("fetch", "http", "read", "ok", 0.1))
        rig.spans.plugin_call(PluginCall("fetch", "http", "open", "origin_unavailable", 0.1))
        rig.spans.store_call("update", "ok", 0.25)
        rig.spans.phases([Phase(2, "dns", 0.5, 0.0)])
        scope.note(status="queued", code="origin_unavailable", batch_id=None)
    *inner, attempt = rig.ended
    assert [span.name for span in inner] == ["fetch.http open", "documents update", "dns"]
    assert {parent_of(span) for span in inner} == {ids(attempt)}
    seconds = [((span.end_time or 0) - (span.start_time or 0)) / 1e9 for span in inner]
    assert seconds == pytest.approx([0.1, 0.25, 0.5])
    call, _, dns = inner
    assert dns.attributes == {"lading.hop": 2}
    assert call.attributes == {
        "lading.plugin.kind": "fetch",
        "lading.plugin.name": "http",
        "lading.plugin.operation": "open",
        "error.type": "origin_unavailable",
    }
    assert attempt.attributes == {
        "lading.import.id": document.id,
        "lading.import.attempt": 3,
        "lading.fetcher": "url",
        "lading.source.host": "origin.test",
        "lading.import.status": "queued",
        "error.type": "origin_unavailable",
    }
    assert [span.status.status_code.name for span in (call, dns, attempt)] == ["ERROR", "UNSET", "ERROR"]


def test_a_phase_lies_where_it_was(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    monkeypatch.setattr("time.time_ns", lambda: 1_000 * 10**9)
    with rig.spans.attempting(make_import(), "url"):
        rig.spans.phases([Phase(1, "dns", 2.0, 90.0), Phase(1, "connect", 3.0, 95.0)])
    found = [(span.start_time, span.end_time) for span in rig.ended[:2]]
    assert found == [(990 * 10**9, 992 * 10**9), (995 * 10**9, 998 * 10**9)]


def test_a_delivery_is_the_span_of_a_client(rig: Rig) -> None:
    with rig.spans.delivering(SENT, **DELIVERY) as scope:
        scope.note(http_status=503, code="receiver_refused", outcome="retried")
    with rig.spans.delivering(SENT, **{**DELIVERY, "host": ""}) as scope:
        scope.note(http_status=204, code=None, outcome="delivered")
    refused, taken = rig.ended
    assert (parent_of(refused), refused.kind.name) == ((TRACE, PARENT), "CLIENT")
    assert refused.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 503,
        "server.address": "hooks.test",
        "server.port": 8443,
        "lading.delivery.id": "dlv_1",
        "lading.delivery.attempt": 2,
        "lading.delivery.outcome": "retried",
        "lading.event.type": "import.done",
        "error.type": "receiver_refused",
    }
    assert "server.address" not in (taken.attributes or {})
    assert [refused.status.status_code.name, taken.status.status_code.name] == ["ERROR", "UNSET"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ApiError("parameter_invalid", parameter="url", reason="hush"), "parameter_invalid"),
        (StoreUnavailable("hush"), "StoreUnavailable"),
        (asyncio.CancelledError("hush"), "CancelledError"),
    ],
)
def test_an_error_is_told_by_its_code_and_never_by_its_text(rig: Rig, error: BaseException, told: str) -> None:
    with pytest.raises(type(error)), rig.spans.accepting(is_one_of_many=False):
        raise error
    (span,) = rig.ended
    assert span.attributes == {"error.type": told}
    assert (span.status.status_code.name, span.status.description, span.events) == ("ERROR", None, ())


@pytest.mark.parametrize(("status", "error"), [(200, None), (404, None), (500, "500"), (503, "503")])
def test_a_request_ends_once_with_its_status(rig: Rig, status: int, error: str | None) -> None:
    with rig.requested() as scope:
        scope.note(http_status=status)
        scope.end()
    (span,) = rig.ended
    attributes = dict(span.attributes or {})
    assert (attributes["http.response.status_code"], attributes.get("error.type")) == (status, error)
    assert (span.status.status_code.name == "ERROR") == (error is not None)


@pytest.mark.parametrize(
    ("route", "method", "path", "name", "shown"),
    [
        (IMPORT, "GET", "/api/v1/imports/f60ae96b", f"GET {IMPORT}", "/api/v1/imports/f60ae96b"),
        (IMPORT, "GET", "/api/v1/imports/eyJ0.eyJh.BeY4", f"GET {IMPORT}", IMPORT),
        (IMPORT, "DELETE", f"/api/v1/imports/{'x' * 65}", f"DELETE {IMPORT}", IMPORT),
        ("other", "GET", "/secret", "GET", None),
        ("other", "FINISH", "/secret", "HTTP", None),
        ("cors-preflight", "OPTIONS", "/secret", "OPTIONS", None),
    ],
)
def test_a_path_shows_ids_alone(rig: Rig, route: str, method: str, path: str, name: str, shown: str | None) -> None:
    rig.spans.requested(route, method, path, lambda _: ()).end()
    (span,) = rig.ended
    attributes = dict(span.attributes or {})
    assert (span.name, attributes.get("url.path")) == (name, shown)
    assert attributes["http.request.method"] == (method if method != "FINISH" else "_OTHER")


def test_a_scope_has_a_bounded_number_of_spans(rig: Rig) -> None:
    with rig.requested():
        for _ in range(MAX_CHILDREN + 7):
            rig.spans.store_call("get", "ok", 0.0)
    assert len(rig.ended) == MAX_CHILDREN + 1
    assert (rig.ended[-1].attributes or {})["lading.spans.left_out"] == 7


# --- beside the metrics -----------------------------------------------------------------------------------------------


class Noted(Meter):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        for name in told():
            setattr(self, name, self._noting(name))

    def _noting(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: self.told.append(name)


def told() -> list[str]:
    """What a meter is told at the end of something."""
    functions = inspect.getmembers(Meter, inspect.isfunction)
    return [name for name, one in functions if inspect.signature(one).return_annotation is None]


@pytest.mark.parametrize("name", told())
def test_whatever_makes_spans_goes_on_to_the_metrics(name: str) -> None:
    noted = Noted()
    function = getattr(Rig(noted).spans, name)
    arguments: dict[str, Any] = {"phases": [], "call": PluginCall("fetch", "http", "open", "ok", 0.1)}
    function(
        **{one: arguments.get(one, 0) for one in inspect.signature(getattr(Meter, name)).parameters if one != "self"}
    )
    assert noted.told == [name]
    assert len(told()) >= 10
