"""Puts events into the outbox of their import, in the write that makes them true."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any

import structlog

from ..models import Import
from ..secrets.vault import SecretsUnreadable, Vault
from .base import Facts
from .directory import EndpointDirectory
from .events import about, event, event_id, fact_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AnnouncedFacts(Facts):
    """See ``Facts``. An import that nobody is to be told of costs nothing.

    Attributes:
        directory: who listens.
        vault: opens, and seals again, where an import itself wants its end to be told.
        timezone: of the times in events.
        added: called when an outbox was written: the announcer is to look.
    """

    directory: EndpointDirectory
    vault: Vault
    timezone: tzinfo
    added: Callable[[], None]

    async def stamp(self, before: Import, after: Import) -> Import:
        """See ``Facts.stamp``."""
        kind = fact_of(before, after)
        if kind is None:
            return after
        url = self._own_url(before)
        if url is None and not any(one.wants(kind) for one in await self.directory.of(after.issuer_id)):
            return after
        entry: dict[str, Any] = {
            "id": event_id(after),
            "event": event(kind, about(after, self.timezone), after.updated_at, self.timezone),
            "url": None if url is None else self.vault.seal_text(url),
        }
        return replace(after, new_events=(entry,))

    def written(self, document: Import) -> None:
        """See ``Facts.written``."""
        if document.new_events:
            self.added()

    def _own_url(self, document: Import) -> str | None:
        """Where the import itself wants to be told of; None also where that is no longer known."""
        try:
            return self.vault.webhook_url(document)
        except SecretsUnreadable as error:
            log.error("cannot decrypt the webhook of an import", import_id=document.id, reason=str(error))  # noqa: TRY400  # its text says it all
            return None
