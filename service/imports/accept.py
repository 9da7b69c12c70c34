"""Accepts new imports, and shows one. It knows no HTTP but the codes of its errors."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ...plugins.contracts.quick import copied, quick
from ...plugins.host.turns import Turns
from ..documents import DocumentStore
from ..errors.catalogue import ApiError
from ..errors.database import RETRY_AFTER_OUTAGE, told_as_outage
from ..limits.quotas import Quotas
from ..models import MAX_ID_LENGTH, Import, Status
from ..models.clock import Clock, truncate_to_milliseconds
from ..models.grants import Grant
from ..models.ids import new_uuid
from ..observe.metrics.meter import NO_METER, Meter
from ..secrets.vault import Vault
from ..webhooks.management import Endpoints
from ..work.backlog import Backlog, Place
from ..work.pipeline.importer import Importer
from .idempotency import Idempotency, fingerprint_of
from .lists import LIST_ABILITIES
from .parameters import SealedParams, authorised, judged, sealed, validated
from .validation import ParamRules

RETRY_AFTER_BACKLOG = 30
AT_ONCE = 64
"""Imports that a process makes at once: enough of them share a transaction of the database."""
TURN_SECONDS = 10.0
"""How long an import waits for its turn. While the database is away, each turn lasts until the database's own timeout:
the last of a thousand requests would wait for minutes (P6).
"""


@quick
@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted import.

    Attributes:
        is_replayed: whether an earlier request with the same ``Idempotency-Key`` made it.
    """

    document: Import
    is_replayed: bool = False


@dataclass(frozen=True, slots=True)
class Imports:
    """The imports of all organisations, with the checks of the grants of their tokens.

    Attributes:
        vault: encrypts the secrets in the parameters.
        accepted: called for every queued import, so that a worker learns of it at once.
        expire_after: how long an import waits for the bytes that its client sends.
        new_id: makes the id of an import.
        turns: of the imports that are made at once. Each needs the event loop for a while, so a client that sends
            thousands would delay every other request by thousands of these whiles (P7).
        endpoints: checks the webhooks of imports; None if webhooks are off.
        key_for: the storage key that a new import keeps, see ``Import.key``.
        meter: traces what is accepted.
    """

    store: DocumentStore
    importer: Importer
    backlog: Backlog
    quotas: Quotas
    rules: ParamRules
    clock: Clock
    vault: Vault
    idempotency: Idempotency
    accepted: Callable[[Import], None]
    expire_after: timedelta = timedelta(days=1)
    new_id: Callable[[], str] = new_uuid
    endpoints: Endpoints | None = None
    turns: Turns = field(default_factory=lambda: Turns(AT_ONCE, leaves_room=True))
    key_for: Callable[[Import], str | None] = lambda _document: None
    meter: Meter = NO_METER

    async def create(
        self,
        grant: Grant,
        params: Mapping[str, Any],
        request_id: str = "",
        key: str | None = None,
        *,
        batch_id: str | None = None,
        file_sha256: str | None = None,
        upload_length: int | None = None,
        before: Callable[[Import], Awaitable[None]] | None = None,
        add: Callable[[Import], Awaitable[None]] | None = None,
    ) -> Accepted:
        """Accept an import. It is durable when this returns (P1), and its ``params`` contain no secrets.

        Args:
            grant: the rights of the token.
            params: as sent, with ``controller`` and ``action`` at the end.
            request_id: of the request, for the log.
            key: the ``Idempotency-Key``, see ``lading.service.imports.idempotency``; None without one.
            batch_id: id of the batch that the import belongs to; None without a batch.
            file_sha256: digest of the bytes that came with the request; None without bytes.
            upload_length: bytes of the upload that the request begins; None for no upload.
            before: awaited before the import is added; what it raises refuses the import.
            add: adds the import, if it is not simply stored.

        Raises:
            ApiError: ``parameter_invalid``, ``forbidden``, ``backlog_full``, ``quota_exceeded``,
                ``documents_unavailable``, the code of a refused source, or of ``Idempotency.once``.
        """
        with self.meter.accepting(is_one_of_many=batch_id is not None) as scope:
            give_back = self.turns.take_now() or await self._turn()
            try:
                with told_as_outage(), self.backlog.place(grant.issuer_id) as place:

                    def prepared() -> Awaitable[Import]:
                        has_file = file_sha256 is not None
                        return self._prepared(grant, params, request_id, batch_id, place, has_file=has_file)

                    async def added(document: Import) -> None:
                        if before is not None:
                            await before(document)
                        place.used()
                        await (add or self._add)(document)

                    if key is None:
                        created = Accepted(await prepared())
                        await added(created.document)
                    else:
                        of_bytes = {"file": file_sha256, "length": upload_length}
                        told = {name: value for name, value in of_bytes.items() if value is not None}
                        created = await self._once(grant, key, {**params, **told}, prepared, added)
            finally:
                give_back()
            scope.note(import_id=created.document.id, batch_id=batch_id)
            return created

    async def _turn(self) -> Callable[[], None]:
        """Wait for a turn to accept an import. What is returned gives it back.

        Raises:
            ApiError: ``documents_unavailable``: there was none in time.
        """
        try:
            return await self.turns.take(TURN_SECONDS)
        except TimeoutError:
            internal = f"no turn to accept an import within {TURN_SECONDS:g} seconds"
            raise ApiError("documents_unavailable", internal=internal, retry_after=RETRY_AFTER_OUTAGE) from None

    async def _once(
        self,
        grant: Grant,
        key: str,
        request: Mapping[str, Any],
        prepared: Callable[[], Awaitable[Import]],
        add: Callable[[Import], Awaitable[None]],
    ) -> Accepted:
        """The import of this ``Idempotency-Key``, for a request that says this; see ``create``."""
        once = self.idempotency.once
        document, is_replayed = await once(grant.issuer_id, key, fingerprint_of(request), prepared, add)
        if is_replayed and not grant.allows("image_upload", document.album_id):
            raise ApiError("forbidden", ability="image_upload")
        return Accepted(document, is_replayed)

    async def _prepared(
        self,
        grant: Grant,
        params: Mapping[str, Any],
        request_id: str,
        batch_id: str | None,
        place: Place,
        *,
        has_file: bool = False,
    ) -> Import:
        """The document of the import, after all checks; it has its place in the backlog then."""
        wanted = judged(authorised(validated(params, self.rules, has_file=has_file), grant), self.importer.check)
        if wanted.webhook_url is not None:
            await self._check_webhook(grant, wanted.webhook_url)
        await self._check_room(grant, place)
        return self._document(grant, sealed(wanted, self.vault), request_id, batch_id)

    async def prepared(self, grant: Grant, params: Mapping[str, Any]) -> Import:
        """The import that ``create`` would accept, without storing it.

        Raises:
            ApiError: see ``create``.
        """
        with told_as_outage(), self.backlog.place(grant.issuer_id) as place:
            return await self._prepared(grant, params, "", None, place)

    async def _add(self, document: Import) -> None:
        await self.store.add(document)
        if document.status is Status.QUEUED:
            self.accepted(document)

    async def get(self, grant: Grant, import_id: str) -> Import:
        """One import of the grant's organisation.

        Raises:
            ApiError: ``not_found``, also for an import of another organisation; ``documents_unavailable``.
        """
        if len(import_id) > MAX_ID_LENGTH:
            raise ApiError("not_found")
        with told_as_outage():
            document = await self.store.get(import_id)
        if document is None or document.organization_id != grant.organization_id or document.deleted_at is not None:
            raise ApiError("not_found")
        return document

    async def _check_webhook(self, grant: Grant, url: str) -> None:
        """Refuse a webhook that can never be sent, and make sure that the issuer has a secret to sign it with."""
        if self.endpoints is None:
            raise ApiError("parameter_invalid", parameter="webhook", reason="is not possible: webhooks are off")
        self.endpoints.check_url(url, "webhook[url]")
        await self.endpoints.ensure_secret(grant.issuer_id)

    async def _check_room(self, grant: Grant, place: Place) -> None:
        """Refuse an import if the backlog has no room for the issuer, or its organisation has no stored bytes left."""
        if not await place.take():
            raise ApiError("backlog_full", retry_after=RETRY_AFTER_BACKLOG)
        if await self.quotas.is_full(grant.organization_id):
            raise ApiError("quota_exceeded", limit=self.quotas.limit)

    def _document(self, grant: Grant, kept: SealedParams, request_id: str, batch_id: str | None) -> Import:
        now = truncate_to_milliseconds(self.clock.now())
        due = truncate_to_milliseconds(self.store.clock.now())
        document = Import(
            id=self.new_id(),
            organization_id=grant.organization_id,
            issuer_id=grant.issuer_id,
            params=kept.params,
            sealed=kept.secret,
            created_at=now,
            updated_at=now,
            run_at=due if kept.has_source else due + self.expire_after,
            due_since=due if kept.has_source else None,
            status=Status.QUEUED if kept.has_source else Status.WAITING,
            host=kept.host,
            request_id=request_id,
            batch_id=batch_id,
            dedupe_albums=_dedupe_albums(grant, kept.params),
            traceparent=self.meter.traceparent,
        )
        key = self.key_for(document)
        return document if key is None else copied(document, key=key)


def _dedupe_albums(grant: Grant, params: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The albums in which an import with ``dedupe=organization`` finds images; None for the whole organisation.

    The token may list each of them. The album of the import counts as well: ``dedupe=album`` finds images there.
    """
    if params.get("dedupe") != "organization" or grant.admin:
        return None
    listed = {name for name, granted in grant.abilities.items() if granted.intersection(LIST_ABILITIES)}
    album_id = params.get("album_id")
    return tuple(sorted(listed | {album_id} if isinstance(album_id, str) else listed))
