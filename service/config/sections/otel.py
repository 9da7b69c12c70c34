"""The section about telemetry."""

from pydantic import Field

from ..fields import Section


class OtelSettings(Section):
    """``[otel]``: traces for OpenTelemetry. The environment variables OTEL_* set everything else."""

    enabled: bool = Field(
        False,
        description=(
            "Whether Lading makes spans of requests, attempts and webhooks, and sends them to a receiver of"
            " OpenTelemetry. It needs pip install 'lading[otel]'. The standard environment variables set the receiver"
            " and everything else, such as OTEL_EXPORTER_OTLP_ENDPOINT."
        ),
    )
