"""The typed model of every section of ``service.conf``: name, type, default, range and help of each option.

Durations are seconds and sizes bytes. No limit can be switched off. The options of plugins are declared beside the
plugins; here their sections are kept as text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    InstanceOf,
    IPvAnyNetwork,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from ....plugins.host.registry import Kind
from ....plugins.options import CommaSeparated, PathOption
from ...models.issuers import Issuer
from ..fields import (
    EncryptionKey,
    PluginNames,
    Seconds,
    Section,
    mongodb_uri,
    none_if_empty,
    quotas,
    time_zone,
    web_origins,
)
from ..ini import Sections
from .storage import ImagesSettings, StorageSettings
from .uploads import BatchesSettings, EventsSettings, UploadsSettings
from .webhooks import WebhooksSettings


class ServiceSettings(Section):
    """``[service]``: the web service itself."""

    address: str = Field(
        "127.0.0.1", pattern=r"^[A-Za-z0-9.:_%-]+$", description="IP address or host name to listen on"
    )
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    processes: int = Field(1, ge=1, le=64, description="how many service processes share the port")
    timezone: Annotated[InstanceOf[tzinfo], BeforeValidator(time_zone)] = Field(
        UTC, description="time zone of created_at and updated_at in answers, by its IANA name"
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], CommaSeparated] = Field(
        (), description="networks of reverse proxies whose X-Forwarded-For is believed"
    )
    allow_origins: Annotated[tuple[str, ...], CommaSeparated, AfterValidator(web_origins)] = Field(
        (),
        description="origins of web pages that may use the API in browsers, such as https://app.example.org; * is all",
    )
    body_max_bytes: int = Field(256 * 1024, ge=1024, le=16 * 1024**2, description="longest request body, in bytes")
    head_max_bytes: int = Field(16 * 1024, ge=1024, le=1024**2, description="longest request head, in bytes")
    idle_timeout: Seconds = Field(30, ge=1, le=3600, description="seconds a connection may be idle between requests")
    body_timeout: Seconds = Field(10, ge=1, le=600, description="seconds a request body may take to arrive")
    params_max_depth: int = Field(32, ge=1, le=100, description="how deep parameters may nest")
    params_max_pairs: int = Field(4096, ge=1, le=65536, description="how many parameters a request may have")
    metadata_max_bytes: int = Field(16 * 1024, ge=2, le=1024**2, description="largest metadata of an import, in bytes")
    filename_max_bytes: int = Field(255, ge=1, le=1024, description="longest filename of an import, in bytes")
    album_id_max_bytes: int = Field(255, ge=1, le=4096, description="longest album_id of an import, in bytes")
    idempotency_lifetime: Seconds = Field(
        86_400, ge=60, le=2_592_000, description="seconds for which an Idempotency-Key is remembered"
    )
    preflight_timeout: Seconds = Field(20, ge=1, le=600, description="seconds that a preflight may take")
    wait_max: Seconds = Field(60, ge=0, le=600, description="longest wait that a client may ask for (Prefer: wait)")
    shutdown_timeout: Seconds = Field(
        30,
        ge=0,
        le=3600,
        description="seconds that running imports may go on after SIGTERM; then they are queued again",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="console for people, json for machines; auto is console on a terminal only"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least level that is logged"
    )


class AuthSettings(Section):
    """``[auth]``: tokens."""

    leeway: Seconds = Field(30, ge=0, le=300, description="seconds by which the clocks of issuers may differ from ours")
    token_max_bytes: int = Field(8192, ge=256, le=65536, description="longest Authorization header, in bytes")
    issuer_cache: Seconds = Field(
        5, ge=0, le=300, description="seconds after which a change of a managed issuer is certain to be seen"
    )


class LimitsSettings(Section):
    """``[limits]``: what an issuer and an organisation may use; 0 sets no limit."""

    issuer_requests: int = Field(
        0, ge=0, le=1_000_000, description="requests to create an import that an issuer may send in each issuer_window"
    )
    issuer_window: int = Field(60, ge=1, le=86400, description="seconds")
    issuer_exceptions: Annotated[Mapping[str, Annotated[int, Field(ge=0, le=1_000_000)]], BeforeValidator(quotas)] = (
        Field({}, description="issuers with issuer_requests of their own, as <id>=<number>")
    )
    organization_requests: int = Field(
        0, ge=0, le=1_000_000, description="the same for all issuers of an organisation together"
    )
    organization_window: int = Field(60, ge=1, le=86400, description="seconds")
    organization_stored_bytes: int = Field(
        0, ge=0, le=2**60, description="size of all stored images of an organisation together"
    )


class DocumentsSettings(Section):
    """``[documents]``: where import documents are kept."""

    backend: Literal["sqlite", "mongo", "memory"] = Field(
        "sqlite",
        description="sqlite for one machine, mongo for many; memory is lost when the service ends, for experiments",
    )
    encryption_keys: Annotated[tuple[EncryptionKey, ...], CommaSeparated] = Field(
        (), description="keys for what is secret in the parameters of imports; the first encrypts, all decrypt"
    )


class SqliteSettings(Section):
    """``[documents.sqlite]``: the embedded document store, for one machine."""

    path: PathOption = Field(Path("lading-data/lading.sqlite3"), description="the database file; its folder is created")
    busy_timeout: Seconds = Field(
        5, ge=0, le=60, description="seconds to wait for another process that holds the database"
    )


class MongoSettings(Section):
    """``[documents.mongo]``: the document store for many machines."""

    uri: Annotated[SecretStr, AfterValidator(mongodb_uri)] = Field(
        SecretStr("mongodb://127.0.0.1:27017"), description="connection string of a replica set or a sharded cluster"
    )
    database: str = Field("lading", pattern=r"^[A-Za-z0-9_-]{1,63}$", description="name of the database")
    connect_timeout: Seconds = Field(5, ge=0.1, le=60, description="seconds until a connection is up")
    timeout: Seconds = Field(
        5,
        ge=0.1,
        le=120,
        description="seconds for the whole of one operation, the wait for a primary, retries and replication included",
    )
    pool_size: int = Field(20, ge=4, le=500, description="connections to each server, at most")


class WorkerSettings(Section):
    """``[worker]``: how imports are worked off."""

    enabled: bool = Field(True, description="whether the service runs a worker in its own process")
    concurrency: int = Field(64, ge=1, le=1024, description="how many imports run at once in a process")
    per_issuer: int = Field(8, ge=1, le=1024, description="how many of them may be of one issuer")
    per_host: int = Field(4, ge=1, le=1024, description="how many of them may fetch from one origin host")
    host_patience: Seconds = Field(
        600,
        ge=1,
        le=86400,
        description="seconds for which imports wait for a host that is down or asks to wait",
    )
    backlog: int = Field(
        100_000, ge=1, le=10_000_000, description="queued imports above which new ones are refused (503)"
    )
    attempts: int = Field(5, ge=1, le=20, description="how often an import is tried")
    retry_base: Seconds = Field(2, ge=0.1, le=3600, description="seconds before the second attempt; doubled each time")
    retry_max: Seconds = Field(600, ge=0.1, le=86400, description="most seconds between two attempts")
    lease: Seconds = Field(
        30, ge=3, le=3600, description="seconds without a heartbeat after which a worker is given up"
    )
    blocking_limit: Seconds = Field(
        5,
        ge=0.5,
        le=60,
        description="seconds after which a plugin that blocks the event loop is cut off, and half of lease at most",
    )
    poll_interval: Seconds = Field(1, ge=0.05, le=60, description="seconds between two looks at an empty queue")
    spool_memory_bytes: int = Field(
        1024**2, ge=0, le=16 * 1024**2, description="bytes of an image kept in memory before it is spooled to disk"
    )
    spool_directory: Annotated[PathOption | None, BeforeValidator(none_if_empty)] = Field(
        None, description="folder for spooled images; empty for the storage's own place, or else the system's"
    )

    @field_validator("retry_max")
    @classmethod
    def _not_below_retry_base(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("retry_base", value):
            raise ValueError("is less than retry_base")
        return value


class FetchSettings(Section):
    """``[fetch]``: the fetchers; each has its options in ``[fetch.<name>]``."""

    plugins: PluginNames = Field(("http", "data"), description="the fetchers, by name")
    deadline: Seconds = Field(
        120, ge=1, le=7200, description="seconds after which a fetch is ended whatever its fetcher's own limits are"
    )
    concurrency: int = Field(64, ge=1, le=1024, description="how many fetches of one fetcher run at once in a process")


class DetectSettings(Section):
    """``[detect]``: the type detectors; each has its options in ``[detect.<name>]``."""

    plugins: PluginNames = Field(
        ("pillow",), description="the detectors, by name, in the order in which they are asked"
    )
    deadline: Seconds = Field(
        300, ge=1, le=7200, description="seconds after which a detection is ended, its wait for its turn included"
    )
    concurrency: int = Field(64, ge=1, le=1024, description="how many calls of one detector run at once in a process")


SECTIONS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "service": ServiceSettings,
        "auth": AuthSettings,
        "limits": LimitsSettings,
        "documents": DocumentsSettings,
        "documents.sqlite": SqliteSettings,
        "documents.mongo": MongoSettings,
        "worker": WorkerSettings,
        "fetch": FetchSettings,
        "detect": DetectSettings,
        "storage": StorageSettings,
        "images": ImagesSettings,
        "uploads": UploadsSettings,
        "batches": BatchesSettings,
        "events": EventsSettings,
        "webhooks": WebhooksSettings,
    }
)
"""The sections that exist once, by name."""

ISSUER_PREFIX = "issuer."
PLUGIN_KEY = "plugin"
"""In the section of a storage: whose options these are, where that is not the plugin of the section's own name."""
PLUGIN_PREFIXES: Mapping[str, Kind] = MappingProxyType({"fetch.": "fetch", "detect.": "detect", "storage.": "storage"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration. ``Settings()`` is the embedded default.

    Attributes:
        service, auth, limits, documents, documents_sqlite, worker, fetch, detect, storage, images, uploads, batches,
            events, webhooks: the section of that name.
        issuers: by id, the issuers that the configuration itself declares.
        plugin_sections: the sections of plugins as text, references already resolved where a plugin is configured.
            May hold secrets: no repr.
    """

    service: ServiceSettings = field(default_factory=ServiceSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    documents: DocumentsSettings = field(default_factory=DocumentsSettings)
    documents_sqlite: SqliteSettings = field(default_factory=SqliteSettings)
    documents_mongo: MongoSettings = field(default_factory=MongoSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    detect: DetectSettings = field(default_factory=DetectSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    images: ImagesSettings = field(default_factory=ImagesSettings)
    uploads: UploadsSettings = field(default_factory=UploadsSettings)
    batches: BatchesSettings = field(default_factory=BatchesSettings)
    events: EventsSettings = field(default_factory=EventsSettings)
    webhooks: WebhooksSettings = field(default_factory=WebhooksSettings)
    plugin_sections: Sections = field(default_factory=dict, repr=False)

    def plugin_options(self, kind: Kind, name: str) -> Mapping[str, str]:
        """The options of what is configured under that name, as text, to be judged by its plugin's own model; empty
        where it has no section.
        """
        section = self.plugin_sections.get(f"{kind}.{name}", {})
        return {option: entry.value for option, entry in section.items() if (kind, option) != ("storage", PLUGIN_KEY)}

    def configured(self, kind: Kind) -> tuple[str, ...]:
        """The names under which plugins of the kind are configured, in order: those of their sections.

        Those of fetchers and detectors are the plugins' own.
        """
        if kind == "storage":
            return self.storage.names
        return self.fetch.plugins if kind == "fetch" else self.detect.plugins

    def plugin_of(self, kind: Kind, name: str) -> str:
        """The plugin that is configured under that name: the name itself, unless a storage's section says otherwise."""
        entry = self.plugin_sections.get(f"{kind}.{name}", {}).get(PLUGIN_KEY) if kind == "storage" else None
        return name if entry is None else entry.value

    def plugin_names(self, kind: Kind) -> tuple[str, ...]:
        """The configured plugins of the kind, each once, in order."""
        return tuple(dict.fromkeys(self.plugin_of(kind, name) for name in self.configured(kind)))
