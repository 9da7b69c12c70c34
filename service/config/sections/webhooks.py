"""The section about webhooks."""

from pydantic import Field

from ..fields import Seconds, Section


class WebhooksSettings(Section):
    """``[webhooks]``: signed requests that tell receivers what became of imports."""

    enabled: bool = Field(True, description="whether there are webhooks, and this process sends them")
    concurrency: int = Field(64, ge=1, le=1024, description="how many requests run at once in a process")
    per_host: int = Field(8, ge=1, le=1024, description="how many of them may go to one host and port")
    timeout: Seconds = Field(10, ge=0.1, le=60, description="seconds that a receiver may take to answer")
    retry_base: Seconds = Field(
        5, ge=0.01, le=3600, description="seconds before the second attempt; four times as long after each further one"
    )
    retry_total: Seconds = Field(
        86400, ge=1, le=604800, description="seconds over which attempts are made, pauses together"
    )
    keep: Seconds = Field(604800, ge=86400, le=31_536_000, description="seconds for which deliveries are kept")
    endpoints: int = Field(16, ge=1, le=100, description="endpoints that an issuer may have")
    endpoint_cache: Seconds = Field(
        5, ge=0, le=300, description="seconds after which a change of an endpoint is certain to be seen"
    )
