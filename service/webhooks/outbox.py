"""The transactional outbox: the write that makes an event true also puts the event into the outbox of its import."""

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

import structlog

from ...plugins.contracts.quick import copied
from ..models import Import
from ..observe.metrics.meter import NO_METER, Meter
from ..secrets.vault import SecretsUnreadable, Vault
from .directory import EndpointDirectory
from .events import about, event, event_id, event_type_of

log = structlog.get_logger(__name__)


class Outbox:
    """The outbox of a service without webhooks, which stays empty. Writers of documents know no other.

    Args:
        meter: counts the imports that end.
    """

    def __init__(self, meter: Meter = NO_METER) -> None:
        self._meter = meter

    async def with_event(self, before: Import, after: Import) -> Import:
        """The document to write for a transition: with the event that the transition makes true, if anybody listens.

        Args:
            before: the document as the writer read it.
            after: the document after the transition, not written yet.

        Raises:
            StoreUnavailable: the database does not say who listens.
        """
        del before
        return after

    def written(self, before: Import, after: Import) -> None:
        """The writer calls this once when a transition is durable.

        Args:
            before: as for ``with_event``.
            after: the result of ``with_event``.
        """
        if after.status.is_final and not before.status.is_final:
            self._meter.import_ended(after)


class WebhookOutbox(Outbox):
    """See ``Outbox``. An import without a listener costs nothing.

    Args:
        directory: the endpoints that listen.
        vault: decrypts the webhook url of an import, and encrypts it again for the outbox.
        timezone: of the times in events.
        added: called after an event was written, so that the announcer looks at once.
        meter: see ``Outbox``.
    """

    def __init__(
        self,
        directory: EndpointDirectory,
        vault: Vault,
        timezone: tzinfo,
        added: Callable[[], None],
        meter: Meter = NO_METER,
    ) -> None:
        super().__init__(meter)
        self._directory = directory
        self._vault = vault
        self._timezone = timezone
        self._added = added

    async def with_event(self, before: Import, after: Import) -> Import:
        """See ``Outbox.with_event``."""
        kind = event_type_of(before, after)
        if kind is None:
            return after
        url = self._own_url(before)
        if url is None and not any(one.wants(kind) for one in await self._directory.of(after.issuer_id)):
            return after
        entry: dict[str, Any] = {
            "id": event_id(after),
            "event": event(kind, about(after, self._timezone), after.updated_at, self._timezone),
            "url": None if url is None else self._vault.seal_text(url),
        }
        return copied(after, new_events=(entry,))

    def written(self, before: Import, after: Import) -> None:
        """See ``Outbox.written``."""
        super().written(before, after)
        if after.new_events:
            self._added()

    def _own_url(self, document: Import) -> str | None:
        """The webhook url of the import itself; None without one, or if no key decrypts it."""
        try:
            return self._vault.webhook_url(document)
        except SecretsUnreadable as error:
            log.error("cannot decrypt the webhook of an import", import_id=document.id, reason=str(error))  # noqa: TRY400  # its text says it all
            return None
