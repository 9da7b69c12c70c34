"""Makes the values that the handlers work with: the second half of the composition root."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from ..api.auth import Authenticator
from ..api.auth.directory import IssuerDirectory
from ..api.http.cors import Cors
from ..api.http.in_flight import InFlight
from ..api.openapi.document import Description
from ..api.params import ParamLimits
from ..api.resources import (
    BatchesApi,
    Common,
    EventsApi,
    ImagesApi,
    ImportsApi,
    PageApi,
    RequestLimits,
    Resources,
    UploadsApi,
)
from ..config import LimitsSettings
from ..config.sections.service import ISSUER_PREFIX
from ..config.sections.uploads import EventsSettings
from ..errors.catalogue import ApiError
from ..images.operations import Images
from ..images.thumbnails.kept import KeptThumbnails
from ..images.thumbnails.thumbnails import Thumbnails, places_for_thumbnails
from ..imports.accept import Imports
from ..imports.actions import Actions, Lives
from ..imports.batches.batches import Batches
from ..imports.events.stream import Events
from ..imports.idempotency import Idempotency
from ..imports.lists import Listing
from ..imports.prefer_wait import Waiting
from ..imports.preflight import Preflight
from ..imports.uploads.files import UploadFolder
from ..imports.uploads.receiving import Receiving
from ..imports.uploads.resumable import Uploads
from ..imports.validation import ParamRules
from ..limits.places import Places
from ..limits.rates import Policy, Rates
from ..models import Import
from ..observe.readiness import Probe, Readiness
from ..work.backlog import Backlog
from ..work.pipeline.duplicates import Duplicates
from .plugins import thumbnail_folder
from .signals.parts import Section
from .wiring import Parts, make_images

LONGEST_BODY: Final = 16 * 1024**2
"""Bytes of the longest request body that is gathered in memory, and fits into a document."""
RETRY_AFTER_STREAMS: Final = 10
"""Seconds."""


def make_resources(
    parts: Parts,
    accepted: Callable[[], None],
    stopped: Callable[[str], None] = lambda _: None,
    holds: Callable[[str], bool] = lambda _: False,
) -> Resources:
    """The values that the handlers work with.

    Args:
        parts: the opened parts.
        accepted: called for every queued import.
        stopped: called with the id of every import that must stop.
        holds: whether the worker of this process holds the import with this id.
    """
    settings = parts.settings
    service = settings.service
    backlog = Backlog(parts.store, settings.worker.backlog)
    images = make_images(parts)

    def queued(document: Import) -> None:
        parts.dispatch.queued(document)
        accepted()

    imports = _imports(parts, backlog, queued)
    receiving = _receiving(parts, imports, images)
    uploads = _uploads(parts, imports, receiving)

    def stop(import_id: str) -> None:
        stopped(import_id)
        receiving.stop_import(import_id)

    lives = Lives(
        store=parts.store,
        backlog=backlog,
        changes=parts.changes,
        outbox=parts.outbox,
        clock=parts.clock,
        accepted=queued,
        stopped=stop,
        discard=uploads.discard,
        expire_after=timedelta(seconds=settings.uploads.expire_after),
    )
    actions = Actions(imports, images, lives)
    return Resources(
        common=_common(parts),
        imports=ImportsApi(
            imports=imports,
            listing=Listing(parts.store),
            actions=actions,
            preflight=Preflight(
                imports=imports,
                importer=parts.importer,
                duplicates=Duplicates(parts.store, parts.clock),
                storage=parts.storages.name_for,
                seconds=service.preflight_timeout,
            ),
            waiting=Waiting(parts.store, parts.changes, service.wait_max, holds),
            receiving=receiving,
        ),
        batches=_batches(parts, imports, actions, receiving),
        uploads=UploadsApi(uploads, receiving, actions),
        images=ImagesApi(images, settings.images.max_age, _thumbnails(parts, images)),
        events=EventsApi(
            imports=imports,
            events=Events(parts.store, parts.changes, parts.progress, service.timezone),
            streams=_streams(settings.events),
            stream_seconds=settings.events.max_duration,
            heartbeat=settings.events.heartbeat,
        ),
        readiness=make_readiness(parts, {"uploads": uploads.ping}),
        description=Description(imports.rules, settings.uploads.max_bytes),
        page=PageApi(settings.page.enabled),
        webhooks=None if parts.webhooks is None else parts.webhooks.api,
    )


def make_readiness(parts: Parts, more: Mapping[str, Probe] | None = None) -> Readiness:
    """Whether imports, and what ``more`` names, can do their work: the database, the storage for new images, spools."""
    return Readiness(
        {
            "documents": parts.store.ping,
            "storage": parts.storages.backend.ping,
            "spool": parts.spools.ping,
            **parts.plugins.pings,
            **(more or {}),
        },
        outages={"documents": parts.opening.outage},
    )


def _common(parts: Parts) -> Common:
    settings = parts.settings
    service = settings.service
    directory = IssuerDirectory(settings.issuers, parts.store, settings.auth.issuer_cache)
    store = parts.store
    rates = Rates(store.records, store.clock, *_policies(settings.limits), processes=service.processes, rng=parts.rng)
    parts.reloadables.add(Section(ISSUER_PREFIX, lambda new: directory.take_over(new.issuers)))
    parts.reloadables.add(Section("limits", lambda new: rates.take_over(*_policies(new.limits))))
    return Common(
        authenticator=Authenticator(
            directory.get,
            parts.clock,
            keys_clock=store.clock,
            leeway=settings.auth.leeway,
            max_token_bytes=settings.auth.token_max_bytes,
        ),
        rates=rates,
        limits=RequestLimits(
            params=ParamLimits(service.params_max_depth, service.params_max_pairs),
            head_max_bytes=service.head_max_bytes,
            body_max_bytes=service.body_max_bytes,
            import_body_max_bytes=max(
                service.body_max_bytes, min(service.body_max_bytes + parts.longest_url, LONGEST_BODY)
            ),
            body_timeout=service.body_timeout,
            upload_max_bytes=settings.uploads.max_bytes,
            upload_stall_timeout=settings.uploads.stall_timeout,
            stall_timeout=settings.images.stall_timeout,
        ),
        timezone=service.timezone,
        trusted_proxies=service.trusted_proxies,
        in_flight=InFlight(),
        cors=Cors(service.allow_origins) if service.allow_origins else None,
    )


def _imports(parts: Parts, backlog: Backlog, accepted: Callable[[Import], None]) -> Imports:
    settings = parts.settings
    return Imports(
        store=parts.store,
        importer=parts.importer,
        backlog=backlog,
        quotas=parts.quotas,
        rules=_param_rules(parts),
        clock=parts.clock,
        vault=parts.vault,
        endpoints=None if parts.webhooks is None else parts.webhooks.api.endpoints,
        idempotency=Idempotency(parts.store, timedelta(seconds=settings.service.idempotency_lifetime)),
        accepted=accepted,
        expire_after=timedelta(seconds=settings.uploads.expire_after),
        key_for=parts.storages.key_for,
        meter=parts.meter,
    )


def _streams(options: EventsSettings) -> Places:
    def refused() -> ApiError:
        return ApiError("too_many_streams", retry_after=RETRY_AFTER_STREAMS)

    return Places(options.max_streams, refused, options.per_issuer, name="streams")


def _batches(parts: Parts, imports: Imports, actions: Actions, receiving: Receiving) -> BatchesApi:
    options = parts.settings.batches
    batches = Batches(
        imports=imports,
        actions=actions,
        store=parts.store,
        clock=parts.clock,
        keep=timedelta(seconds=options.keep),
        max_items=options.max_items,
    )
    return BatchesApi(batches, receiving, options.max_bytes)


def _uploads(parts: Parts, imports: Imports, receiving: Receiving) -> Uploads:
    options = parts.settings.uploads
    folder = UploadFolder(options.directory, options.unfinished_bytes)
    return Uploads(
        imports=imports,
        receiving=receiving,
        store=parts.store,
        folder=folder,
        max_bytes=min(options.max_bytes, folder.longest),
    )


def _thumbnails(parts: Parts, images: Images) -> Thumbnails | None:
    settings = parts.settings
    makers = [maker for detector in parts.plugins.detectors if (maker := detector.thumbnailer)]
    if not makers or not settings.thumbnails.enabled:
        return None
    return Thumbnails(
        images=images,
        makers=makers,
        kept=KeptThumbnails(thumbnail_folder(settings), parts.spools.executor),
        spools=parts.spools,
        places=places_for_thumbnails(settings.thumbnails.concurrency),
    )


def _receiving(parts: Parts, imports: Imports, images: Images) -> Receiving:
    return Receiving(
        imports=imports,
        store=parts.store,
        importer=parts.importer,
        spools=parts.spools,
        quotas=parts.quotas,
        outbox=parts.outbox,
        removal=images.removal,
        changes=parts.changes,
        clock=parts.clock,
        rng=parts.rng,
        concurrency=parts.settings.uploads.concurrency,
        lease=timedelta(seconds=parts.settings.worker.lease),
    )


def _param_rules(parts: Parts) -> ParamRules:
    service = parts.settings.service
    return ParamRules(
        metadata_max_bytes=service.metadata_max_bytes,
        filename_max_bytes=service.filename_max_bytes,
        album_id_max_bytes=service.album_id_max_bytes,
        import_types=parts.import_types,
        formats=parts.formats,
    )


def _policies(limits: LimitsSettings) -> tuple[Policy, Policy]:
    return (
        Policy("issuer", limits.issuer_requests, limits.issuer_window, limits.issuer_exceptions),
        Policy("organization", limits.organization_requests, limits.organization_window),
    )
