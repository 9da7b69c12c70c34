"""The API's operations on endpoints. It knows no HTTP but the codes of its errors.

A token with ``admin: true``, or with the ability ``webhook_manage`` in any album, manages the endpoints of its issuer.
An endpoint receives the events of all imports that this issuer's tokens created, whatever their album.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ...plugins.errors import SourceRefused
from ..documents import DocumentStore, DuplicateId, TooManyRecords
from ..documents.contention import tries
from ..documents.records import Record
from ..errors.catalogue import ApiError
from ..errors.database import contended, told_as_outage
from ..models import MAX_ID_LENGTH
from ..models.clock import Clock, truncate_to_milliseconds
from ..models.grants import Grant
from ..observe.audit.actions import Action
from ..observe.audit.recording import audited
from ..secrets.vault import SecretsUnreadable, Vault
from .delivery.post import Posting
from .directory import EndpointDirectory
from .endpoint_params import Wishes
from .endpoints import ENDPOINT, SECRET, Endpoint, Signing, new_endpoint_id, secret_record_id

ABILITY = "webhook_manage"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of all issuers, with the checks of the grants.

    Every method may raise ``ApiError`` with ``forbidden`` or ``documents_unavailable``, or with the codes that it
    names, and nothing else.

    Attributes:
        directory: learns of changes.
        posting: checks urls.
        limit: the largest number of endpoints of an issuer.
    """

    store: DocumentStore
    directory: EndpointDirectory
    posting: Posting
    vault: Vault
    clock: Clock
    limit: int

    @audited(Action.WEBHOOK_CREATED, "endpoint_id", made=lambda answer: answer[0].id)
    async def create(self, grant: Grant, wishes: Wishes) -> tuple[Endpoint, str]:
        """Create an endpoint, and return its secret, which is not shown again.

        Raises:
            ApiError: ``webhooks_full``, or the code of a refused url.
        """
        check_ability(grant)
        if wishes.url is None:
            raise ApiError("parameter_invalid", parameter="url", reason="is missing")
        self.check_url(wishes.url)
        now = truncate_to_milliseconds(self.clock.now())
        signing = Signing.new()
        endpoint = Endpoint(
            id=new_endpoint_id(),
            issuer_id=grant.issuer_id,
            url=wishes.url,
            events=wishes.events or ("*",),
            description=wishes.description or "",
            enabled=wishes.enabled is not False,
            disabled_reason=None,
            sealed=signing.sealed(self.vault),
            created_at=now,
            updated_at=now,
        )
        try:
            with told_as_outage():
                await self.store.records.add(endpoint.record, at_most=self.limit)
        except TooManyRecords as error:
            raise ApiError("webhooks_full", limit=self.limit) from error
        self.directory.forget(grant.issuer_id)
        return endpoint, signing.secret

    async def list(self, grant: Grant) -> Sequence[Endpoint]:
        """All endpoints of the issuer; there are few."""
        check_ability(grant)
        with told_as_outage():
            records = await self.store.records.list(ENDPOINT, grant.issuer_id, max(self.limit, 100))
        return [Endpoint.of(record) for record in records]

    async def get(self, grant: Grant, endpoint_id: str) -> Endpoint:
        """One endpoint of the issuer.

        Raises:
            ApiError: ``not_found``, also for another issuer's endpoint.
        """
        check_ability(grant)
        record = None
        if len(endpoint_id) <= MAX_ID_LENGTH:
            with told_as_outage():
                record = await self.store.records.get(ENDPOINT, endpoint_id)
        if record is None or record.owner != grant.issuer_id:
            raise ApiError("not_found")
        return Endpoint.of(record)

    @audited(Action.WEBHOOK_CHANGED, "endpoint_id")
    async def change(self, grant: Grant, endpoint_id: str, wishes: Wishes) -> Endpoint:
        """Change the requested attributes. An endpoint that is enabled again has no ``disabled_reason`` any more.

        Raises:
            ApiError: as ``get`` and ``create``.
        """
        if wishes.url is not None:
            check_ability(grant)
            self.check_url(wishes.url)

        def changed(one: Endpoint, now: datetime) -> Endpoint:
            return one.changed(
                now,
                url=one.url if wishes.url is None else wishes.url,
                events=wishes.events or one.events,
                description=one.description if wishes.description is None else wishes.description,
                enabled=one.enabled if wishes.enabled is None else wishes.enabled,
                disabled_reason=one.disabled_reason if wishes.enabled is None else None,
            )

        return await self._write(grant, endpoint_id, changed)

    @audited(Action.WEBHOOK_ROTATED, "endpoint_id")
    async def rotate(self, grant: Grant, endpoint_id: str) -> tuple[Endpoint, str]:
        """Rotate its secret; the present one also signs for a day. The new secret is not shown again."""
        secret = ""

        def changed(one: Endpoint, now: datetime) -> Endpoint:
            nonlocal secret
            signing = self._rotated(one.sealed)
            secret = signing.secret
            return one.changed(now, sealed=signing.sealed(self.vault))

        return await self._write(grant, endpoint_id, changed), secret

    @audited(Action.WEBHOOK_DELETED, "endpoint_id")
    async def delete(self, grant: Grant, endpoint_id: str) -> None:
        """Delete it. Its pending deliveries end."""
        await self.get(grant, endpoint_id)
        with told_as_outage():
            await self.store.records.delete(ENDPOINT, endpoint_id)
        self.directory.forget(grant.issuer_id)

    # --- what signs the webhooks of imports ---------------------------------------------------------------------------

    async def secret(self, grant: Grant) -> Signing:
        """The secret that signs the webhooks of the issuer's single imports; created at its first use.

        It can be shown again, since the issuer has no other way to give it to the receivers of its imports.
        """
        check_ability(grant)
        return await self.ensure_secret(grant.issuer_id)

    async def ensure_secret(self, issuer_id: str) -> Signing:
        """As ``secret``, for an import with a webhook.

        Raises:
            ApiError: ``documents_unavailable``.
        """
        record_id = secret_record_id(issuer_id)
        with told_as_outage():
            record = await self.store.records.get(SECRET, record_id)
            if record is not None:
                return self._opened(record)
            signing, now = Signing.new(), truncate_to_milliseconds(self.clock.now())
            record = Record(SECRET, record_id, issuer_id, {"sealed": signing.sealed(self.vault)}, now)
            try:
                await self.store.records.add(record)
            except DuplicateId:  # another request was faster; nothing deletes this record
                return self._opened(await self.store.records.get(SECRET, record_id) or record)
        return signing

    @audited(Action.SECRET_ROTATED)
    async def rotate_secret(self, grant: Grant) -> Signing:
        """Rotate it, as ``rotate`` does an endpoint's."""
        check_ability(grant)
        async for _ in tries():
            with told_as_outage():
                record = await self.store.records.get(SECRET, secret_record_id(grant.issuer_id))
                if record is None:
                    return await self.ensure_secret(grant.issuer_id)
                signing = self._rotated(record.data["sealed"])
                if await self.store.records.replace(record.changed(data={"sealed": signing.sealed(self.vault)})):
                    return signing
        raise contended()

    # --- parts --------------------------------------------------------------------------------------------------------

    def check_url(self, url: str, parameter: str = "url") -> None:
        """Refuse, without I/O, a url that can never be reached. Every attempt checks the address again.

        Raises:
            ApiError: with the code of the refusal.
        """
        try:
            self.posting.check(url)
        except SourceRefused as error:
            raise ApiError.from_refusal(error, parameter) from error

    async def _write(
        self, grant: Grant, endpoint_id: str, changed: Callable[[Endpoint, datetime], Endpoint]
    ) -> Endpoint:
        async for _ in tries():
            endpoint = await self.get(grant, endpoint_id)
            after = changed(endpoint, truncate_to_milliseconds(self.clock.now()))
            with told_as_outage():
                if await self.store.records.replace(after.record):
                    self.directory.forget(grant.issuer_id)
                    return after
        raise contended()

    def _rotated(self, sealed: str) -> Signing:
        """A new secret. A present secret that cannot be decrypted cannot sign either."""
        try:
            return Signing.opened(sealed, self.vault).rotated(self.store.clock.now())
        except SecretsUnreadable:
            return Signing.new()

    def _opened(self, record: Record) -> Signing:
        try:
            return Signing.opened(record.data["sealed"], self.vault)
        except SecretsUnreadable as error:
            raise ApiError("webhook_secret_unreadable", internal=str(error)) from error


def check_ability(grant: Grant) -> None:
    """Check that the token may manage webhooks.

    Raises:
        ApiError: ``forbidden``.
    """
    if not grant.allows(ABILITY, None):
        raise ApiError("forbidden", ability=ABILITY)
