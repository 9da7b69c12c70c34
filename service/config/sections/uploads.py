"""The typed models of ``[uploads]``, ``[batches]`` and ``[events]``."""

from pathlib import Path

from pydantic import Field

from ....plugins.options import PathOption
from ..fields import Seconds, Section


class UploadsSettings(Section):
    """``[uploads]``: images whose bytes the client sends."""

    max_bytes: int = Field(
        32 * 1024**2, ge=1024, le=1024**4, description="longest image that a client may send, in bytes"
    )
    concurrency: int = Field(64, ge=1, le=4096, description="how many images a process receives at once")
    stall_timeout: Seconds = Field(
        30, ge=1, le=3600, description="seconds for which a client may send nothing of an image"
    )
    directory: PathOption = Field(
        Path("lading-data/uploads"), description="folder of uploads that can be resumed, until they are complete"
    )
    expire_after: Seconds = Field(
        86_400, ge=60, le=2_592_000, description="seconds for which an import waits for its bytes before it fails"
    )


class BatchesSettings(Section):
    """``[batches]``: many imports in one request."""

    max_items: int = Field(100_000, ge=1, le=10_000_000, description="most items of one batch")
    max_bytes: int = Field(1024**3, ge=1024, le=1024**4, description="longest body of a batch, in bytes")
    keep: Seconds = Field(
        2_592_000, ge=3600, le=31_536_000, description="seconds for which a batch can be looked at as a whole"
    )


class EventsSettings(Section):
    """``[events]``: streams of events."""

    max_streams: int = Field(500, ge=1, le=100_000, description="how many streams a process has open at once")
    per_issuer: int = Field(100, ge=1, le=100_000, description="how many of them may be of one issuer")
    max_duration: Seconds = Field(3600, ge=1, le=86_400, description="seconds after which a stream is ended")
    heartbeat: Seconds = Field(
        15, ge=0.1, le=300, description="seconds after which a stream that has nothing to tell sends a comment"
    )
