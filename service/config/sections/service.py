"""``Settings``, the whole configuration, and the typed models of ``[service]``, ``[auth]`` and ``[limits]``.

A description is the option's comment in ``service.conf`` word for word, and its line in the reference. Durations are in
seconds and sizes in bytes. No limit has an "unlimited" default that is dangerous. Plugins declare their own options;
``Settings`` keeps their sections as text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    InstanceOf,
    IPvAnyNetwork,
)

from ....plugins.host.registry import Kind
from ....plugins.options import CommaSeparated
from ...models.issuers import Issuer
from ..faults import Fault
from ..fields import (
    Seconds,
    Section,
    no_unix_socket,
    quotas,
    time_zone,
    web_origins,
)
from ..ini import Sections
from .admin import AdminSettings
from .audit import AuditSettings
from .documents import DocumentsSettings, MongoSettings, SqliteSettings
from .nats import NatsSettings
from .otel import OtelSettings
from .page import PageSettings
from .retention import RetentionSettings
from .storage import ImagesSettings, RouteSettings, StorageSettings
from .thumbnails import ThumbnailsSettings
from .uploads import BatchesSettings, EventsSettings, UploadsSettings
from .webhooks import WebhooksSettings
from .worker import DetectSettings, FetchSettings, ProcessSettings, WorkerSettings


class ServiceSettings(Section):
    """``[service]``: the HTTP server."""

    address: Annotated[str, BeforeValidator(no_unix_socket)] = Field(
        "127.0.0.1", pattern=r"^[A-Za-z0-9.:_%-]+$", description="IP address or host name that the service listens on."
    )
    port: int = Field(8080, ge=0, le=65535, description="Port that the service listens on. 0 picks any free port.")
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description=(
            "Number of service processes that share the port. Each runs its own worker. With more than one,"
            " a supervisor process restarts those that die."
        ),
    )
    timezone: Annotated[InstanceOf[tzinfo], BeforeValidator(time_zone)] = Field(
        UTC, description="Time zone of created_at and updated_at in answers: an IANA name such as Europe/Vienna."
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], CommaSeparated] = Field(
        (),
        description=(
            "Networks of your reverse proxies, such as 10.0.0.0/8, ::1/128. Lading believes X-Forwarded-For"
            " from these addresses only."
        ),
    )
    allow_origins: Annotated[tuple[str, ...], CommaSeparated, AfterValidator(web_origins)] = Field(
        (),
        description=(
            "Web origins whose pages may call the API from a browser (CORS), such as"
            " https://app.example.org, http://localhost:3000. * allows every origin. Tokens still decide"
            " which requests succeed."
        ),
    )
    body_max_bytes: int = Field(
        256 * 1024,
        ge=1024,
        le=16 * 1024**2,
        description=(
            "Longest request body, in bytes. Lading refuses a longer body with status 413. A request to import"
            " may be longer where a data: URL may be; see max_bytes of [fetch.data]."
        ),
    )
    head_max_bytes: int = Field(
        16 * 1024, ge=1024, le=1024**2, description="Longest request line plus header fields, in bytes."
    )
    idle_timeout: Seconds = Field(
        30, ge=1, le=3600, description="Seconds that a connection may stay idle between two requests."
    )
    body_timeout: Seconds = Field(10, ge=1, le=600, description="Seconds that a request body may take to arrive.")
    params_max_depth: int = Field(32, ge=1, le=100, description="Maximum nesting depth of parameters.")
    params_max_pairs: int = Field(4096, ge=1, le=65536, description="Maximum number of parameters in a request.")
    metadata_max_bytes: int = Field(
        16 * 1024, ge=2, le=1024**2, description="Largest metadata of an import, in bytes of compact JSON."
    )
    filename_max_bytes: int = Field(255, ge=1, le=1024, description="Longest filename of an import, in bytes of UTF-8.")
    album_id_max_bytes: int = Field(255, ge=1, le=4096, description="Longest album_id of an import, in bytes of UTF-8.")
    idempotency_lifetime: Seconds = Field(
        86_400, ge=60, le=2_592_000, description="Seconds that Lading remembers the Idempotency-Key of a request."
    )
    preflight_timeout: Seconds = Field(
        20,
        ge=1,
        le=600,
        description="Seconds that a preflight may take. A preflight fetches an image without storing it.",
    )
    wait_max: Seconds = Field(
        60,
        ge=0,
        le=600,
        description='Longest wait, in seconds, that a client may request with "Prefer: wait=N". 0 turns waiting off.',
    )
    drain_delay: Seconds = Field(
        0,
        ge=0,
        le=600,
        description=(
            "Seconds after SIGTERM for which /readyz answers 503 while Lading still accepts requests. Set it to"
            " the time that your balancer needs to notice."
        ),
    )
    shutdown_timeout: Seconds = Field(
        30,
        ge=0,
        le=3600,
        description=(
            "Seconds that running imports may continue after SIGTERM. Then Lading puts them back in the queue."
        ),
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto",
        description=(
            "Format of log lines: console for people, json for machines. auto picks console on a terminal"
            " and json elsewhere."
        ),
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that Lading logs: debug, info, warning or error."
    )


class AuthSettings(Section):
    """``[auth]``: tokens."""

    leeway: Seconds = Field(
        30, ge=0, le=300, description="Seconds by which an issuer's clock may differ from the service's clock."
    )
    token_max_bytes: int = Field(8192, ge=256, le=65536, description="Longest Authorization header, in bytes.")
    issuer_cache: Seconds = Field(
        5,
        ge=0,
        le=300,
        description=(
            'Seconds that Lading caches an issuer managed with "lading issuer". A change takes effect within this time.'
        ),
    )


class LimitsSettings(Section):
    """``[limits]``: limits of an issuer and of an organisation; 0 sets no limit."""

    issuer_requests: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description=(
            "Requests to create an import that an issuer may send per issuer_window, to all processes of the"
            " service together. The issuer may send all of them at once. Lading refuses further requests with"
            " status 429. Each item of a batch counts as a request; Lading accepts the items within the limit and"
            " refuses each other item with code rate_limited in its line of the answer. 0 sets no limit."
        ),
    )
    issuer_window: int = Field(60, ge=1, le=86400, description="Seconds that issuer_requests covers.")
    issuer_exceptions: Annotated[Mapping[str, Annotated[int, Field(ge=0, le=1_000_000)]], BeforeValidator(quotas)] = (
        Field(
            {},
            description=(
                "Issuers with their own limit instead of issuer_requests, each as id=number, such as"
                " fa355b5e-d1e4-4155-adfa-0b00de50629d=6000. 0 sets no limit for the issuer."
            ),
        )
    )
    organization_requests: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description=(
            "Requests to create an import that all issuers of an organisation together may send per"
            " organization_window, to all processes of the service together. 0 sets no limit."
        ),
    )
    organization_window: int = Field(60, ge=1, le=86400, description="Seconds that organization_requests covers.")
    organization_stored_bytes: int = Field(
        0,
        ge=0,
        le=2**60,
        description=(
            "Total size of an organisation's stored images, in bytes. Above the limit, Lading refuses new"
            " imports with status 403 and does not store an image that would exceed it. Other processes learn"
            " of a stored image within two seconds. 0 sets no limit."
        ),
    )


SECTIONS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "service": ServiceSettings,
        "auth": AuthSettings,
        "limits": LimitsSettings,
        "documents": DocumentsSettings,
        "documents.sqlite": SqliteSettings,
        "documents.mongo": MongoSettings,
        "worker": WorkerSettings,
        "nats": NatsSettings,
        "fetch": FetchSettings,
        "detect": DetectSettings,
        "process": ProcessSettings,
        "storage": StorageSettings,
        "storage.route": RouteSettings,
        "images": ImagesSettings,
        "thumbnails": ThumbnailsSettings,
        "uploads": UploadsSettings,
        "batches": BatchesSettings,
        "events": EventsSettings,
        "page": PageSettings,
        "webhooks": WebhooksSettings,
        "retention": RetentionSettings,
        "admin": AdminSettings,
        "audit": AuditSettings,
        "otel": OtelSettings,
    }
)
"""The sections that exist once, by name."""

ISSUER_PREFIX = "issuer."
PLUGIN_KEY = "plugin"
"""In the section of a storage: the plugin of these options, if the section has another name."""
PLUGIN_PREFIXES: Mapping[str, Kind] = MappingProxyType(
    {"fetch.": "fetch", "detect.": "detect", "process.": "process", "storage.": "storage"}
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration. ``Settings()`` is the embedded default.

    Attributes:
        service, auth, limits, documents, documents_sqlite, worker, nats, fetch, detect, process, storage,
            storage_route, images, thumbnails, uploads, batches, events, page, webhooks, retention, admin, audit, otel:
            the section of that name.
        issuers: by id, the issuers of the configuration itself.
        plugin_sections: the sections of plugins as text, with references resolved for configured plugins. May contain
            secrets: no repr.
        places: by section and key, where an option was set; see ``Fault.where``.
    """

    service: ServiceSettings = field(default_factory=ServiceSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    documents: DocumentsSettings = field(default_factory=DocumentsSettings)
    documents_sqlite: SqliteSettings = field(default_factory=SqliteSettings)
    documents_mongo: MongoSettings = field(default_factory=MongoSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    nats: NatsSettings = field(default_factory=NatsSettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    detect: DetectSettings = field(default_factory=DetectSettings)
    process: ProcessSettings = field(default_factory=ProcessSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    storage_route: RouteSettings = field(default_factory=RouteSettings)
    images: ImagesSettings = field(default_factory=ImagesSettings)
    thumbnails: ThumbnailsSettings = field(default_factory=ThumbnailsSettings)
    uploads: UploadsSettings = field(default_factory=UploadsSettings)
    batches: BatchesSettings = field(default_factory=BatchesSettings)
    events: EventsSettings = field(default_factory=EventsSettings)
    page: PageSettings = field(default_factory=PageSettings)
    webhooks: WebhooksSettings = field(default_factory=WebhooksSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    otel: OtelSettings = field(default_factory=OtelSettings)
    plugin_sections: Sections = field(default_factory=dict, repr=False)
    places: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def fault(self, problem: str, section: str, key: str) -> Fault:
        """A fault of an option, with its place."""
        return Fault(problem, section, key, self.places.get((section, key), ""))

    def plugin_options(self, kind: Kind, name: str) -> Mapping[str, str]:
        """The options of a configured plugin as text, which its own model validates; empty without a section."""
        section = self.plugin_sections.get(f"{kind}.{name}", {})
        return {option: entry.value for option, entry in section.items() if (kind, option) != ("storage", PLUGIN_KEY)}

    def configured(self, kind: Kind) -> tuple[str, ...]:
        """The configured names of the kind, in order: the names of their sections.

        Those of other kinds than storages are the plugins' own names.
        """
        if kind == "storage":
            return self.storage.names
        return {"fetch": self.fetch.plugins, "detect": self.detect.plugins, "process": self.process.plugins}[kind]

    def plugin_of(self, kind: Kind, name: str) -> str:
        """The plugin of a configured name: the name itself, unless a storage's section names another plugin."""
        entry = self.plugin_sections.get(f"{kind}.{name}", {}).get(PLUGIN_KEY) if kind == "storage" else None
        return name if entry is None else entry.value

    def plugin_names(self, kind: Kind) -> tuple[str, ...]:
        """The configured plugins of the kind, each once, in order."""
        return tuple(dict.fromkeys(self.plugin_of(kind, name) for name in self.configured(kind)))
