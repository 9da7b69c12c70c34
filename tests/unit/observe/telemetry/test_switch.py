"""The switch of telemetry: when it is on, what it needs, and what it refuses."""

import sys

import pytest

from lading.service.config import Settings, SettingsError
from lading.service.config.sections.otel import OtelSettings
from lading.service.observe.metrics.meter import NO_METER
from lading.service.observe.telemetry import opening
from lading.service.observe.telemetry.environment import faults
from lading.service.observe.telemetry.spans import Spans

ON = Settings(otel=OtelSettings(enabled=True))
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, []),
        ({"OTEL_TRACES_EXPORTER": " otlp , console "}, []),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, []),
        (
            {"OTEL_TRACES_EXPORTER": "jaeger"},
            ["OTEL_TRACES_EXPORTER names jaeger; Lading knows otlp, console, none"],
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ["OTEL_EXPORTER_OTLP_PROTOCOL is grpc; Lading speaks http/protobuf alone"],
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            [],
        ),
        ({ENDPOINT: "user:hush@collector:4318"}, [f"{ENDPOINT} must begin with http:// or https://"]),
        ({ENDPOINT: "HTTPS://collector:4318"}, []),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, ["OTEL_BSP_MAX_QUEUE_SIZE is not a number above 0"]),
        ({"OTEL_BSP_SCHEDULE_DELAY": "soon"}, ["OTEL_BSP_SCHEDULE_DELAY is not a number above 0"]),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "", "OTEL_TRACES_EXPORTER": ""}, []),
    ],
)
def test_an_environment_that_cannot_work_is_refused(environ: dict[str, str], found: list[str]) -> None:
    assert list(faults(environ)) == found
    assert [fault.problem for fault in opening.refusals(ON, environ)] == found
    assert opening.refusals(Settings(), environ) == opening.refusals(ON, {**environ, "OTEL_SDK_DISABLED": "True"}) == []


def test_without_a_receiver_it_is_asked_whether_that_is_meant() -> None:
    assert [fault.key for fault in opening.doubts(ON, {})] == ["enabled"]
    for environ in ({ENDPOINT: "http://x"}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}):
        assert opening.doubts(ON, environ) == []
    assert opening.doubts(ON, {"OTEL_TRACES_EXPORTER": "console"}) == []
    assert opening.doubts(Settings(), {}) == []


@pytest.mark.parametrize("name", [ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_a_receiver_that_gets_nothing_is_told(name: str) -> None:
    (fault,) = opening.doubts(Settings(), {name: "http://secret@x"})
    assert (fault.section, fault.key) == ("otel", "enabled")
    assert fault.problem == f"is false, although {name} is set: no spans are made or sent"
    for meant in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}):
        assert opening.doubts(Settings(), {name: "http://x", **meant}) == []


@pytest.mark.parametrize("missing", ["opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"])
def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delitem(sys.modules, missing, raising=False)
    for name in [name for name in sys.modules if name.startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    (fault,) = opening.refusals(ON, {})
    assert "pip install 'lading[otel]'" in fault.problem
    assert opening.refusals(Settings(), {}) == []


@pytest.mark.gen_test
async def test_the_meter_is_the_same_unless_telemetry_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    async with opening.with_telemetry(Settings(), NO_METER) as meter:
        assert meter is NO_METER
    async with opening.with_telemetry(ON, NO_METER) as meter:
        assert isinstance(meter, Spans)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    async with opening.with_telemetry(ON, NO_METER) as meter:
        assert meter is NO_METER


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"), ("OTEL_TRACES_EXPORTER", "zipkin")]
)
async def test_what_cannot_work_ends_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"\[otel\] enabled"):
        async with opening.with_telemetry(ON, NO_METER):
            pass
