"""Switches telemetry on for a process, if ``[otel] enabled`` says so. Only then is OpenTelemetry imported."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Final

from ...config import Fault, Settings, SettingsError
from ..metrics.meter import Meter
from .environment import DEFAULT_ENDPOINT, faults, has_endpoint, is_disabled, named_receiver

_NEEDED: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
_REMEDY: Final = "needs OpenTelemetry, which is not installed; install what it needs: pip install 'lading[otel]'"


def is_on(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether this process makes spans."""
    return settings.otel.enabled and not is_disabled(environ)


def refusals(settings: Settings, environ: Mapping[str, str]) -> list[Fault]:
    """Why no process starts with telemetry as it is configured; empty if processes do."""
    if not is_on(settings, environ):
        return []
    found = [] if all(map(_is_installed, _NEEDED)) else [_REMEDY]
    return [settings.fault(problem, "otel", "enabled") for problem in (*found, *faults(environ))]


def doubts(settings: Settings, environ: Mapping[str, str]) -> list[Fault]:
    """What of the telemetry is probably not meant so."""
    if is_disabled(environ):
        return []
    receiver = named_receiver(environ)
    if not settings.otel.enabled and receiver is not None:
        problem = f"is false, although {receiver} is set: no spans are made or sent"
    elif settings.otel.enabled and not has_endpoint(environ):
        problem = f"OTEL_EXPORTER_OTLP_ENDPOINT is not set: spans go to {DEFAULT_ENDPOINT}"
    else:
        return []
    return [settings.fault(problem, "otel", "enabled")]


@asynccontextmanager
async def with_telemetry(settings: Settings, meter: Meter) -> AsyncIterator[Meter]:
    """The meter, which also makes spans if telemetry is on. At the end of the block, the last spans are sent, for a few
    seconds at most.

    Raises:
        SettingsError: telemetry cannot work as it is configured.
    """
    if not is_on(settings, os.environ):
        yield meter
        return
    if found := refusals(settings, os.environ):
        raise SettingsError(found)
    # Imported here: OpenTelemetry is large, and few services need it.
    from .exporting import Exporting  # noqa: PLC0415
    from .spans import Spans  # noqa: PLC0415

    try:
        exporting = Exporting(meter, os.environ)
    except ValueError as error:
        problem = f"OpenTelemetry refuses its environment: {error}"
        raise SettingsError([settings.fault(problem, "otel", "enabled")]) from error
    try:
        yield Spans(meter, exporting.tracer)
    finally:
        await exporting.close()


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
