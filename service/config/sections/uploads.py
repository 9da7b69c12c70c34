"""The typed models of ``[uploads]``, ``[batches]`` and ``[events]``."""

from pathlib import Path

from pydantic import Field

from ....plugins.options import PathOption
from ..fields import Seconds, Section


class UploadsSettings(Section):
    """``[uploads]``: images whose bytes the client sends."""

    max_bytes: int = Field(
        32 * 1024**2, ge=1024, le=1024**4, description="Longest image that a client may send, in bytes."
    )
    concurrency: int = Field(
        64,
        ge=1,
        le=4096,
        description=(
            "Images that a process receives at once. Lading answers further requests with status 503 and Retry-After."
            " Batches and preflights count as well. An issuer has half of them at most, so that others find room."
        ),
    )
    stall_timeout: Seconds = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds that a client may pause while it sends an image. Then Lading closes the connection.",
    )
    directory: PathOption = Field(
        Path("lading-data/uploads"),
        description=(
            "Folder for unfinished resumable uploads. Lading creates it. With several machines, share the"
            " folder between them, or let the balancer send all requests of an upload to the same machine."
        ),
    )
    unfinished_bytes: int = Field(
        10 * 1024**3,
        ge=2048,
        le=1024**5,
        description=(
            "Bytes that unfinished resumable uploads may take up in the folder, by their announced lengths. Lading"
            " refuses further uploads with status 507. An issuer has half of them at most, so that others find room."
            " The services of a machine that have the same folder share the bytes."
        ),
    )
    expire_after: Seconds = Field(
        86_400, ge=60, le=2_592_000, description="Seconds that an import waits for its bytes. Then it fails."
    )


class BatchesSettings(Section):
    """``[batches]``: many imports in one request."""

    max_items: int = Field(
        100_000,
        ge=1,
        le=10_000_000,
        description="Maximum items of one batch. Each item also counts towards backlog of [worker].",
    )
    max_bytes: int = Field(1024**3, ge=1024, le=1024**4, description="Longest body of a batch, in bytes.")
    keep: Seconds = Field(
        2_592_000,
        ge=3600,
        le=31_536_000,
        description="Seconds that Lading keeps the summary of a batch. The batch's imports stay.",
    )


class EventsSettings(Section):
    """``[events]``: streams of server-sent events."""

    max_streams: int = Field(
        500,
        ge=1,
        le=100_000,
        description=(
            "Event streams that a process has open at once. Lading answers further requests with status 503"
            " and Retry-After. An issuer has half of them at most, so that others find room."
        ),
    )
    per_issuer: int = Field(
        100, ge=1, le=100_000, description="Event streams of one issuer that a process has open at once."
    )
    max_duration: Seconds = Field(
        3600,
        ge=1,
        le=86_400,
        description="Seconds after which Lading ends a stream. The client reconnects and misses no event.",
    )
    heartbeat: Seconds = Field(
        15,
        ge=0.1,
        le=300,
        description=(
            "Seconds without an event after which a stream sends a comment, so that proxies do not close the"
            " connection as idle."
        ),
    )
