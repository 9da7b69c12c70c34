"""Constructs the parts of webhooks."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ...plugins.host.guards import GuardedFetcher
from ..config import Settings
from ..documents import DocumentStore
from ..models.clock import Clock
from ..observe.metrics.meter import NO_METER, Meter
from ..secrets.vault import Vault
from .delivery.announcer import Announcer
from .delivery.attempt import Attempting
from .delivery.post import Posting
from .delivery.schedule import Schedule
from .delivery.sender import Deliverer
from .directory import EndpointDirectory
from .history import DeliveryLog, Webhooks
from .management import Endpoints
from .outbox import Outbox, WebhookOutbox


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """The webhooks of one process.

    Attributes:
        outbox: takes the events of imports.
        announcer, deliverer: send them; the caller owns the tasks of their ``run``.
        api: the operations for handlers.
    """

    outbox: Outbox
    announcer: Announcer
    deliverer: Deliverer
    api: Webhooks


def make_outbox(settings: Settings, store: DocumentStore, vault: Vault) -> Outbox:
    """The outbox of a process that sends no webhooks itself: announcers of other processes find what it writes."""
    options = settings.webhooks
    if not options.enabled:
        return Outbox()
    directory = EndpointDirectory(store, options.endpoint_cache)
    return WebhookOutbox(directory, vault, settings.service.timezone, added=lambda: None)


def make_webhooks(
    settings: Settings,
    fetchers: Mapping[str, GuardedFetcher],
    store: DocumentStore,
    vault: Vault,
    clock: Clock,
    rng: random.Random,
    meter: Meter = NO_METER,
) -> WebhookParts | None:
    """Construct the parts, inside the running event loop; None if ``[webhooks]`` are off."""
    options = settings.webhooks
    if not options.enabled:
        return None
    keep = timedelta(seconds=options.keep)
    timezone = settings.service.timezone
    posting = Posting(fetchers, options.timeout)
    directory = EndpointDirectory(store, options.endpoint_cache)
    deliverer = Deliverer(
        store,
        Attempting(store, vault, posting, Schedule(options.retry_base, options.retry_total), clock, rng, keep, meter),
        rng,
        concurrency=options.concurrency,
        per_host=options.per_host,
        poll_interval=settings.worker.poll_interval,
        timeout=options.timeout,
        meter=meter,
    )
    announcer = Announcer(
        store, directory, vault, clock, rng, keep, settings.worker.poll_interval, announced=deliverer.wake
    )
    endpoints = Endpoints(store, directory, posting, vault, clock, options.endpoints)
    return WebhookParts(
        outbox=WebhookOutbox(directory, vault, timezone, announcer.wake, meter),
        announcer=announcer,
        deliverer=deliverer,
        api=Webhooks(endpoints, DeliveryLog(store, endpoints, clock, timezone, keep, deliverer.wake)),
    )
