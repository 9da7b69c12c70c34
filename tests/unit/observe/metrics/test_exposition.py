"""What is counted and how Prometheus reads it: labels, buckets, several processes."""

import os
from collections.abc import Mapping
from datetime import timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from lading.plugins.host.record import Phase, PluginCall
from lading.service.models import Failure, Status
from lading.service.observe.metrics import recorder as recorders
from lading.service.observe.metrics.exposition import exposed
from lading.service.observe.metrics.families import (
    FAMILIES,
    OLDEST,
    PHASE_SECONDS,
    PLACES_USED,
    PLUGIN_SECONDS,
    QUEUE,
    REQUEST_SECONDS,
    Kind,
)
from lading.service.observe.metrics.ledger import Board, tell_pid
from lading.service.observe.metrics.recorder import Recorder, Series
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(board: Board) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and sorted labels."""
    text, media_type = exposed(board, "text/plain")
    assert media_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(text.decode())
        for sample in family.samples
    }


def value(found: Samples, sample: str, /, **labels: str) -> float | None:
    return found.get((sample, tuple(sorted(labels.items()))))


def test_requests_are_counted_by_route_method_and_status_with_their_duration() -> None:
    board = Board.alone()
    meter = Recorder(board.counters(1))
    meter.request("/api/v1/imports", "POST", 200, 0.005)
    meter.request("/api/v1/imports", "POST", 200, 0.3)
    meter.request("/api/v1/imports", "POST", 422, 1000)
    meter.request("other", "BREW", 405, 0.1)
    found = samples(board)
    route = {"route": "/api/v1/imports", "method": "POST"}
    assert value(found, "lading_http_requests_total", **route, status="200") == 2
    assert value(found, "lading_http_requests_total", **route, status="422") == 1
    assert value(found, "lading_http_requests_total", route="other", method="other", status="405") == 1
    name = "lading_http_request_duration_seconds"
    assert value(found, f"{name}_count", **route) == 3
    assert value(found, f"{name}_sum", **route) == pytest.approx(1000.305)
    counts = [value(found, f"{name}_bucket", **route, le=f"{bound:g}") for bound in REQUEST_SECONDS.buckets]
    # A bucket has what is at most its bound.
    assert counts == [1] * 6 + [2] * 7
    assert value(found, f"{name}_bucket", **route, le="+Inf") == 3


def test_imports_are_counted_by_status_code_and_fetcher_and_by_issuer_only_if_wanted() -> None:
    clock = SettableClock()
    document = make_import(clock, status=Status.RUNNING, worker_id="worker")
    failed = document.failed(Failure("not_an_image", "No.", retryable=False), "url", clock.now() + timedelta(seconds=3))
    cancelled = make_import(clock).cancelled(clock.now())
    board = Board.alone()
    plain, by_issuer = Recorder(board.counters(0)), Recorder(board.counters(1), issuers=1)
    for meter in (plain, by_issuer):
        meter.import_ended(failed)
        meter.import_ended(cancelled)
    by_issuer.import_ended(make_import(clock, issuer="another").cancelled(clock.now()))
    found = samples(board)
    assert value(found, "lading_imports_total", status="failed", code="not_an_image", fetcher="url") == 2
    assert value(found, "lading_imports_total", status="cancelled", code="none", fetcher="none") == 3
    assert value(found, "lading_import_duration_seconds_sum", status="failed") == 6
    issuer = document.issuer_id
    assert value(found, "lading_issuer_imports_total", issuer=issuer, status="failed") == 1
    assert value(found, "lading_issuer_imports_total", issuer=issuer, status="cancelled") == 1
    assert value(found, "lading_issuer_imports_total", issuer="other", status="cancelled") == 1
    assert not any(dict(labels).get("issuer") == "another" for _, labels in found)


def test_everything_else_is_counted_where_it_belongs() -> None:
    board = Board.alone()
    meter = Recorder(board.counters(1))
    meter.phases([Phase(1, "dns", 0.01, 1), Phase(2, "dns", 0.01, 2), Phase(1, "made up", 5, 3)])
    meter.fetched("url", 100)
    meter.fetched("url", 20)
    meter.stored("local", 100)
    meter.claimed(7)
    meter.plugin_call(PluginCall("storage", "local", "save", "storage_full", 0.5))
    meter.store_call("claim", "unavailable", 0.002)
    meter.delivery("retried", 2)
    meter.loop_was_late(0.02)
    meter.lines_dropped(3)
    meter.child_restarted()
    found = samples(board)
    assert value(found, f"{PHASE_SECONDS.name}_count", phase="dns") == 2
    assert value(found, f"{PHASE_SECONDS.name}_sum", phase="other") == 5
    assert value(found, "lading_fetched_bytes_total", fetcher="url") == 120
    assert value(found, "lading_stored_bytes_total", storage="local") == 100
    assert value(found, "lading_claimed_imports_total") == 7
    call = {"kind": "storage", "plugin": "local", "operation": "save"}
    assert value(found, "lading_plugin_calls_total", **call, outcome="storage_full") == 1
    assert value(found, f"{PLUGIN_SECONDS.name}_bucket", **call, le="0.1") == 0
    assert value(found, f"{PLUGIN_SECONDS.name}_bucket", **call, le="1") == 1
    name = "lading_document_operation_duration_seconds"
    assert value(found, f"{name}_count", operation="claim", outcome="unavailable") == 1
    assert value(found, "lading_webhook_attempts_total", outcome="retried") == 1
    assert value(found, "lading_webhook_attempts_total", outcome="failed") == 0, "it exists from the beginning"
    assert value(found, "lading_event_loop_lag_seconds_bucket", le="0.025") == 1
    assert value(found, "lading_log_lines_dropped_total") == 3
    assert value(found, "lading_child_restarts_total") == 1


def test_the_number_of_series_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "MAX_SERIES", 3)
    board = Board.alone()
    meter = Recorder(board.counters(1))
    for number in range(10):
        meter.fetched(f"kind{number}", 1)
    found = {
        labels: amount for (name, labels), amount in samples(board).items() if name == "lading_fetched_bytes_total"
    }
    assert found == {
        (("fetcher", "kind0"),): 1,
        (("fetcher", "kind1"),): 1,
        (("fetcher", "kind2"),): 1,
        (("fetcher", "other"),): 7,
    }


def test_a_call_beyond_the_bound_is_counted_as_other_in_both_of_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "MAX_SERIES", 3)
    board = Board.alone()
    meter = Recorder(board.counters(1))
    for _ in range(2):
        for number in range(10):
            meter.plugin_call(PluginCall("fetch", f"plugin{number % 5}", "open", f"code{number}", 0.5))
    found = samples(board)
    other = {"kind": "other", "plugin": "other", "operation": "other"}
    call = {"kind": "fetch", "plugin": "plugin0", "operation": "open"}
    assert value(found, "lading_plugin_calls_total", **call, outcome="code0") == 2
    assert value(found, "lading_plugin_calls_total", **other, outcome="other") == 14
    assert value(found, f"{PLUGIN_SECONDS.name}_count", **call) == 4
    assert value(found, f"{PLUGIN_SECONDS.name}_sum", **call) == 2
    assert value(found, f"{PLUGIN_SECONDS.name}_count", **other) == 8


def test_the_numbers_of_several_processes_are_added_and_those_of_the_database_are_not() -> None:
    board = Board.shared(2)
    try:
        for number, amount in ((1, 5), (2, 9)):
            Recorder(board.counters(number)).claimed(amount)
            gauges = board.gauges(number)
            tell_pid(gauges)
            Series(gauges, PLACES_USED).set(("worker",), amount)
            Series(gauges, QUEUE).set(("queued",), amount)
            Series(gauges, OLDEST).set((), float("nan") if number == 1 else 3)
        found = samples(board)
        assert value(found, "lading_claimed_imports_total") == 14
        assert value(found, "lading_places_in_use", place="worker") == 14
        assert value(found, "lading_queue_imports", state="queued") == 9
        assert value(found, "lading_queue_oldest_age_seconds") == 3, "a process that does not know says nothing"
        assert value(found, "process_resident_memory_bytes", process="1") is not None

        # The supervisor clears the gauges of a dead child; its counters stay.
        board.gauges(2).clear()
        found = samples(board)
        assert value(found, "lading_claimed_imports_total") == 14
        assert value(found, "lading_places_in_use", place="worker") == 5
        assert value(found, "process_resident_memory_bytes", process="2") is None
        assert value(found, "process_resident_memory_bytes", process="1") is not None
    finally:
        assert board.descriptor is not None
        os.close(board.descriptor)


def test_openmetrics_is_given_to_those_who_ask_for_it() -> None:
    board = Board.alone()
    Recorder(board.counters(1)).request("/healthz", "GET", 200, 0.1)
    text, media_type = exposed(board, "application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    families = parse_openmetrics(text.decode())  # type: ignore[no-untyped-call]
    assert {family.name for family in families} >= {"lading_http_requests"}


def test_names_follow_the_conventions_and_no_label_has_values_of_strangers() -> None:
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))
    for family in FAMILIES:
        assert family.name.startswith("lading_")
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER), family.name
        assert (family.kind is Kind.HISTOGRAM) == bool(family.buckets), family.name
        if family.kind is Kind.HISTOGRAM:
            assert family.name.endswith("_seconds")
            assert list(family.buckets) == sorted(set(family.buckets))
        assert family.help.endswith(".")
        assert not {"host", "url", "album", "path", "organization", "client"} & set(family.labels)
