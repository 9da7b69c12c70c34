"""The export of spans: it reaches its receiver, and no receiver that fails, hangs or is away costs more than a line."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from lading.service.observe.metrics.meter import Meter
from lading.service.observe.telemetry import exporting
from lading.service.observe.telemetry.exporting import Exporting
from tests.unit.observe.telemetry.receiver import Receiver, otlp_receiver

DOWN = "a component is down"
UP = "a component recovered"


class Dropped(Meter):
    """Counts lost spans."""

    def __init__(self) -> None:
        self.spans: dict[str, int] = {}

    def spans_dropped(self, reason: str, spans: int) -> None:
        self.spans[reason] = self.spans.get(reason, 0) + spans


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with otlp_receiver() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
        yield found


def export(environ: dict[str, str] | None = None, meter: Meter | None = None) -> Exporting:
    return Exporting(meter or Meter(), environ or {})


def make(made: Exporting, spans: int = 1, name: str = "span") -> None:
    for _ in range(spans):
        made.tracer.start_span(name).end()


async def until(condition: object) -> None:
    """The test's own timeout bounds the wait."""
    while not condition():  # type: ignore[operator]
        await asyncio.sleep(0.005)


@pytest.mark.gen_test
async def test_spans_arrive_with_what_the_environment_says(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hush")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=tests,service.version=mine")
    with capture_logs() as logged:
        first = export()
        make(first, 3)
        await first.close()
        monkeypatch.setenv("OTEL_SERVICE_NAME", "images")
        second = export()
        make(second)
        await second.close()
    spans = receiver.spans
    assert [span.resource["service.name"] for span in spans] == ["lading"] * 3 + ["images"]
    assert {span.resource["deployment.environment.name"] for span in spans} == {"tests"}
    assert {span.resource["service.version"] for span in spans} == {"mine"}
    assert receiver.headers["x-key"] == "hush"
    assert logged == []


@pytest.mark.gen_test
@pytest.mark.parametrize(("sampler", "spans"), [("always_off", 0), ("parentbased_always_on", 2)])
async def test_the_sampler_of_the_environment_decides(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, sampler: str, spans: int
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    made = export()
    make(made, 2)
    await made.close()
    assert len(receiver.spans) == spans


@pytest.mark.gen_test
async def test_a_receiver_that_fails_is_told_once_and_its_recovery_too(receiver: Receiver) -> None:
    receiver.status = 401
    dropped = Dropped()
    with capture_logs() as logged:
        made = export(meter=dropped)
        for lost in (1, 2):
            make(made)
            await until(lambda lost=lost: dropped.spans.get("export") == lost)
        receiver.status = 200
        make(made)
        await until(lambda: receiver.spans)
        await made.close()
    told = [(line["event"], line.get("reason"), line["component"]) for line in logged]
    assert told == [(DOWN, "status 401", "the receiver of spans"), (UP, None, "the receiver of spans")]
    assert dropped.spans == {"export": 2}


@pytest.mark.gen_test
async def test_a_receiver_that_is_away_is_told_without_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "FAILED_SECONDS", 30)  # its thread ends sooner, however busy the machine is
    monkeypatch.setattr(exporting, "FLUSH_SECONDS", 30)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hush@127.0.0.1:1/hush")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    dropped = Dropped()
    with capture_logs() as logged:
        made = export(meter=dropped)
        make(made, 2)
        await until(lambda: dropped.spans.get("export") == 2)
        await made.close()
    assert [(line["event"], line["reason"]) for line in logged] == [(DOWN, "ConnectionError")]


@pytest.mark.gen_test
async def test_a_receiver_that_hangs_fills_the_queue_and_nothing_else(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.may_answer.clear()
    monkeypatch.setattr(exporting, "FLUSH_SECONDS", 0.05)
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5")
    dropped = Dropped()
    with capture_logs() as logged:
        made = export({"OTEL_BSP_MAX_QUEUE_SIZE": "10"}, dropped)
        make(made)
        await until(receiver.asked.is_set)  # and this one span hangs
        make(made, 13)
        assert dropped.spans == {"queue": 3}
        await made.close()
    told = [(line["event"], line.get("reason"), line.get("spans")) for line in logged]
    assert told == [
        (DOWN, "10 spans wait for the exporter; further spans are dropped", None),
        ("the process ends before its last spans are sent", None, 10),
    ]


@pytest.mark.gen_test
async def test_without_an_exporter_spans_have_ids_and_go_nowhere(receiver: Receiver) -> None:
    made = export({"OTEL_TRACES_EXPORTER": "none"})
    span = made.tracer.start_span("span")
    span.end()
    await made.close()
    assert span.get_span_context().is_valid
    assert receiver.bodies == []


@pytest.mark.gen_test
async def test_the_console_is_standard_error_with_a_line_for_each_span(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    made = export({"OTEL_TRACES_EXPORTER": "otlp,console"})
    make(made, 2, "shown")
    await made.close()
    stdout, stderr = capfd.readouterr()
    assert (stdout, [line[:16] for line in stderr.splitlines()]) == ("", ['{"name": "shown"'] * 2)
    assert len(receiver.spans) == 2


@pytest.mark.gen_test
async def test_the_libraries_log_nothing_that_a_stranger_sends(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    made = export()
    logging.getLogger("opentelemetry.trace.span").error("a header of a stranger")
    await made.close()
    # The event loop may complain of a busy machine.
    assert [record for record in caplog.records if record.name != "asyncio"] == []
