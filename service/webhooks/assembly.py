"""How the parts of webhooks fit together."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from service.clock import Clock
from service.documents import DocumentStore
from service.facts import Facts
from service.guards import GuardedFetcher
from service.settings import Settings
from service.vault import Vault
from service.webhooks.announcer import Announcer
from service.webhooks.attempting import Attempting
from service.webhooks.deliverer import Deliverer
from service.webhooks.directory import EndpointDirectory
from service.webhooks.facts import AnnouncedFacts
from service.webhooks.log import DeliveryLog, Webhooks
from service.webhooks.management import Endpoints
from service.webhooks.posting import Posting
from service.webhooks.schedule import Schedule


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """Webhooks, as one process has them.

    Attributes:
        facts: puts events into outboxes.
        announcer, deliverer: work them off; their ``run`` is the caller's to own.
        api: what handlers work with.
    """

    facts: Facts
    announcer: Announcer
    deliverer: Deliverer
    api: Webhooks


def make_webhooks(
    settings: Settings,
    fetchers: Mapping[str, GuardedFetcher],
    store: DocumentStore,
    vault: Vault,
    clock: Clock,
    rng: random.Random,
) -> WebhookParts | None:
    """The parts, inside the running event loop; None where ``[webhooks]`` has them off."""
    options = settings.webhooks
    if not options.enabled:
        return None
    keep = timedelta(seconds=options.keep)
    timezone = settings.service.timezone
    posting = Posting(fetchers, options.timeout)
    directory = EndpointDirectory(store, options.endpoint_cache)
    deliverer = Deliverer(
        store,
        Attempting(store, vault, posting, Schedule(options.retry_base, options.retry_total), clock, rng, keep),
        rng,
        concurrency=options.concurrency,
        per_host=options.per_host,
        poll_interval=settings.worker.poll_interval,
        timeout=options.timeout,
    )
    announcer = Announcer(
        store, directory, vault, clock, rng, keep, settings.worker.poll_interval, announced=deliverer.wake
    )
    endpoints = Endpoints(store, directory, posting, vault, clock, options.endpoints)
    return WebhookParts(
        facts=AnnouncedFacts(directory, vault, timezone, announcer.wake),
        announcer=announcer,
        deliverer=deliverer,
        api=Webhooks(endpoints, DeliveryLog(store, endpoints, clock, timezone, keep, deliverer.wake)),
    )
