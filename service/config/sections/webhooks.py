"""The section about webhooks."""

from pydantic import Field

from ..fields import Seconds, Section


class WebhooksSettings(Section):
    """``[webhooks]``: signed requests that tell receivers what happened to an import."""

    enabled: bool = Field(
        True,
        description=(
            "Whether the API offers webhooks and this process sends them. A webhook is a signed request that"
            " tells a receiver what happened to an import. Webhooks reach only the addresses that"
            " [fetch.http] allows."
        ),
    )
    concurrency: int = Field(
        64,
        ge=1,
        le=1024,
        description="Requests that a process sends at once. An issuer has half of them at most.",
    )
    per_host: int = Field(8, ge=1, le=1024, description="Requests that a process sends to one host and port at once.")
    timeout: Seconds = Field(
        10,
        ge=0.1,
        le=60,
        description="Seconds that a receiver may take to answer. head_timeout of [fetch.http] applies as well.",
    )
    retry_base: Seconds = Field(
        5,
        ge=0.01,
        le=3600,
        description="Seconds before the second attempt. Each further pause is four times as long, up to 8 hours.",
    )
    retry_total: Seconds = Field(
        86400,
        ge=1,
        le=604800,
        description="Seconds over which Lading repeats the attempts, pauses included. Then the delivery has failed.",
    )
    keep: Seconds = Field(
        604800,
        ge=86400,
        le=31_536_000,
        description="Seconds that Lading keeps a delivery. Until then it can be read and sent again.",
    )
    endpoints: int = Field(16, ge=1, le=100, description="Maximum endpoints of an issuer.")
    endpoint_cache: Seconds = Field(
        5,
        ge=0,
        le=300,
        description=(
            "Seconds that a process caches an issuer's endpoints. A change made by another process takes"
            " effect within this time."
        ),
    )
