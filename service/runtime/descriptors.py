"""File descriptors: as many as the system allows, and what a configuration may use of them."""

import resource
from typing import Final

import structlog

from ..config import Settings

BASE: Final = 128
"""What a process has open whatever it does: libraries, the database, decoders, name look-ups."""
CLIENTS: Final = 256
"""Connections of clients that neither upload nor download."""
MOST: Final = 2**20
"""What an unlimited process asks for; tables of the kernel and of libraries grow with it."""
REMEDY: Final = "raise the hard limit: LimitNOFILE= of systemd, ulimit -Hn of a shell, --ulimit nofile= of a container"

log = structlog.get_logger(__name__)


def raise_limit() -> int:
    """Raise the soft limit of this process, and of its children, to the hard one; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft if soft != resource.RLIM_INFINITY else MOST


def needed(settings: Settings) -> int:
    """How many descriptors one process of the service may use when everything that is configured is under way."""
    imports = 0
    if settings.worker.enabled:
        # A connection and a spool for each import that runs, and a connection that is kept for the next one.
        imports = 2 * settings.worker.concurrency + settings.fetch.concurrency
    uploads = 2 * settings.uploads.concurrency  # the client's connection, and a spool
    downloads = 2 * settings.images.max_downloads  # the client's connection, and a file
    webhooks = settings.webhooks.concurrency if settings.webhooks.enabled else 0
    pool = settings.documents_mongo.pool_size if settings.documents.backend == "mongo" else 0
    storages = settings.storage.concurrency * len(settings.storage.names)
    return BASE + CLIENTS + imports + uploads + downloads + settings.events.max_streams + webhooks + pool + storages


def say_if_short(settings: Settings) -> None:
    """Raise the limit, and log where it is lower than what the configuration may use."""
    limit, wanted = raise_limit(), needed(settings)
    if limit < wanted:
        log.warning("the limit of file descriptors is low", limit=limit, needed=wanted, remedy=REMEDY)
