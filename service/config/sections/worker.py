"""The typed models of ``[worker]``, ``[fetch]``, ``[detect]`` and ``[process]``."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from ....plugins.options import PathOption
from ..fields import AnyPluginNames, PluginNames, Seconds, Section, none_if_empty


class WorkerSettings(Section):
    """``[worker]``: how a worker runs imports."""

    enabled: bool = Field(
        True,
        description='Whether the service process runs a worker. "lading worker" runs a worker without the service.',
    )
    dispatch: Literal["documents", "nats"] = Field(
        "documents",
        description=(
            "What hands out queued imports: documents (the database alone), or nats (a NATS JetStream broker, see"
            " [nats]). With nats the database still keeps the truth, and hands out what the broker does not."
        ),
    )
    concurrency: int = Field(64, ge=1, le=1024, description="Imports that a process runs at once.")
    per_issuer: int = Field(8, ge=1, le=1024, description="Imports of one issuer that a process runs at once.")
    per_host: int = Field(
        4,
        ge=1,
        le=1024,
        description=(
            "Imports that a process fetches from one origin host at once. Lading lowers the number while the"
            " host signals overload."
        ),
    )
    host_patience: Seconds = Field(
        600,
        ge=1,
        le=86400,
        description=(
            "Seconds that imports wait for a host that does not answer or asks for a pause. Imports that"
            " have waited longer fail."
        ),
    )
    backlog: int = Field(
        200_000,
        ge=1,
        le=10_000_000,
        description=(
            "Maximum number of unfinished imports: queued, running, or waiting for their bytes. Lading refuses further"
            " imports with status 503. An issuer has half of them at most, so that others find room."
        ),
    )
    attempts: int = Field(5, ge=1, le=20, description="Maximum attempts of an import.")
    retry_base: Seconds = Field(
        2, ge=0.1, le=3600, description="Seconds before the second attempt. Each further pause is twice as long."
    )
    retry_max: Seconds = Field(
        600, ge=0.1, le=86400, description="Longest pause between two attempts, in seconds. At least retry_base."
    )
    lease: Seconds = Field(
        30,
        ge=3,
        le=3600,
        description="Seconds without a heartbeat after which other workers take over a worker's imports.",
    )
    blocking_limit: Seconds = Field(
        5,
        ge=0.5,
        le=60,
        description=(
            "Seconds that a plugin may block the event loop. Then Lading cuts the plugin off and the import"
            " fails. At most half of lease."
        ),
    )
    poll_interval: Seconds = Field(1, ge=0.05, le=60, description="Seconds between two polls of an empty queue.")
    spool_memory_bytes: int = Field(
        1024**2,
        ge=0,
        le=16 * 1024**2,
        description="Bytes of an image that Lading keeps in memory before it spools the image to a temporary file.",
    )
    spool_directory: Annotated[PathOption | None, BeforeValidator(none_if_empty)] = Field(
        None,
        description=(
            "Folder for spooled images. Empty picks the storage's own folder where it has one (local), else"
            " the system's temporary folder."
        ),
    )

    @field_validator("retry_max")
    @classmethod
    def _not_below_retry_base(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("retry_base", value):
            raise ValueError("is less than retry_base; make it at least as long")
        return value


class FetchSettings(Section):
    """``[fetch]``: the fetchers; each has its options in ``[fetch.<name>]``."""

    plugins: PluginNames = Field(
        ("http", "data"),
        description=(
            'Names of the fetchers. No two fetchers may serve the same URL scheme. "lading plugins" lists'
            " the installed plugins."
        ),
    )
    deadline: Seconds = Field(
        120,
        ge=1,
        le=7200,
        description=(
            "Seconds after which Lading ends a fetch, whatever limits the fetcher itself has. Set it above"
            " those limits."
        ),
    )
    concurrency: int = Field(
        64,
        ge=1,
        le=1024,
        description=(
            "Fetches of one fetcher that a process runs at once. Further fetches wait for a free slot,"
            " within the deadline."
        ),
    )


class DetectSettings(Section):
    """``[detect]``: the type detectors; each has its options in ``[detect.<name>]``."""

    plugins: PluginNames = Field(
        ("pillow",), description="Names of the type detectors, in the order in which Lading asks them."
    )
    deadline: Seconds = Field(
        300,
        ge=1,
        le=7200,
        description="Seconds after which Lading ends a detection, including its wait for a free slot.",
    )
    concurrency: int = Field(
        64,
        ge=1,
        le=1024,
        description=(
            "Calls of one detector that a process runs at once. Further calls wait for a free slot, within"
            " the deadline."
        ),
    )


class ProcessSettings(Section):
    """``[process]``: the processors; each has its options in ``[process.<name>]``."""

    plugins: AnyPluginNames = Field(
        (),
        description=(
            "Names of the processors, in the order in which Lading asks them. They look at each image between"
            " detection and storage, and may replace it, refuse it, or add facts to its document. Empty stores"
            " each image as it came."
        ),
    )
    deadline: Seconds = Field(
        120,
        ge=1,
        le=7200,
        description=(
            "Seconds after which Lading ends a call of a processor, including its wait for a free slot. Then"
            " the import is tried again."
        ),
    )
    concurrency: int = Field(
        64,
        ge=1,
        le=1024,
        description=(
            "Calls of one processor that a process runs at once. Further calls wait for a free slot, within"
            " the deadline."
        ),
    )
    max_bytes: int = Field(
        64 * 1024**2,
        ge=1024,
        le=2**40,
        description="Largest file that a processor may put in the place of an image, in bytes.",
    )
