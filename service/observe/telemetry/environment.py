"""The environment variables of OpenTelemetry, as far as Lading reads them; its SDK reads all others by itself.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ describes them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

EXPORTERS: Final = ("otlp", "console", "none")
PROTOCOL: Final = "http/protobuf"
DEFAULT_ENDPOINT: Final = "http://localhost:4318/v1/traces"
DEFAULT_QUEUE: Final = 2048
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_QUEUE: Final = "OTEL_BSP_MAX_QUEUE_SIZE"
_NUMBERS: Final = (_QUEUE, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY")


def is_disabled(environ: Mapping[str, str]) -> bool:
    """Whether ``OTEL_SDK_DISABLED`` switches telemetry off, whatever the configuration says."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def exporters(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names in ``OTEL_TRACES_EXPORTER``, without ``none``."""
    names = (name.strip() for name in (environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(","))
    return tuple(dict.fromkeys(name for name in names if name not in ("", "none")))


def queue_size(environ: Mapping[str, str]) -> int:
    """The spans that wait for the exporter at most."""
    return int(environ.get(_QUEUE) or DEFAULT_QUEUE)


def named_receiver(environ: Mapping[str, str]) -> str | None:
    """The variable that names the receiver of spans, if spans go to one; None without such a variable."""
    return next((name for name, _ in _first(environ, _ENDPOINTS)), None)


def has_endpoint(environ: Mapping[str, str]) -> bool:
    """Whether a variable names the receiver, or none is needed."""
    return "otlp" not in exporters(environ) or named_receiver(environ) is not None


def faults(environ: Mapping[str, str]) -> Iterator[str]:
    """What keeps telemetry from working; empty if nothing does. No fault repeats a value that may hold a secret."""
    unknown = [name for name in exporters(environ) if name not in EXPORTERS]
    if unknown:
        yield f"OTEL_TRACES_EXPORTER names {', '.join(unknown)}; Lading knows {', '.join(EXPORTERS)}"
    for name, value in _first(environ, _PROTOCOLS):
        if value != PROTOCOL:
            yield f"{name} is {value}; Lading speaks {PROTOCOL} alone"
    for name, value in _first(environ, _ENDPOINTS):
        if not value.lower().startswith(("http://", "https://")):
            yield f"{name} must begin with http:// or https://"
    for name in _NUMBERS:
        value = environ.get(name) or "1"
        if not (value.isascii() and value.isdigit() and int(value)):
            yield f"{name} is not a number above 0"


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The first variable that is set, since it counts, unless the exporter needs none of them."""
    if "otlp" in exporters(environ):
        yield from [(name, environ[name].strip()) for name in names if environ.get(name)][:1]
