"""Repeated requests: with one ``Idempotency-Key`` there is one import, however often a client posts it.

draft-ietf-httpapi-idempotency-key-header. The database remembers the key, with the id of the future import, before the
import is added under this id. Adds are create-only, so there can be no second import, whoever adds it: the request
itself, or a later request, if the process of the first one died or stood still in between. The request that adds the
import has made it. Every other request answers with the same import as a replay, even the request that remembered the
key.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from ..documents import DocumentStore, DuplicateId
from ..documents.records import Record
from ..errors.catalogue import ApiError
from ..models import Import
from ..models.clock import truncate_to_milliseconds

KIND: Final = "idempotency"
GRACE: Final = timedelta(seconds=10)
"""How long a request that has remembered its key may take to add its import; after that, another request adds it."""
RETRY_AFTER: Final = 1
_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"|([!#-~]{1,255})')
"""A string of RFC 9651 section 3.3.3, or the same without quotes and spaces, as many clients send it."""


def key_of(values: Sequence[str]) -> str | None:
    """The key in a request's header fields, or None without such a field.

    Raises:
        ApiError: ``idempotency_key_invalid``.
    """
    if not values:
        return None
    match = _KEY.fullmatch(values[0].strip(" \t")) if len(values) == 1 else None
    if match is None:
        raise ApiError("idempotency_key_invalid")
    return re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]


def fingerprint_of(params: Mapping[str, Any]) -> str:
    """A digest of the parameters, the same for every order of the parameters."""
    text = json.dumps(params, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Remembers the keys of each issuer, for durations by the store's clock.

    Attributes:
        keep: how long a key is remembered.
    """

    store: DocumentStore
    keep: timedelta

    async def once(
        self,
        issuer_id: str,
        key: str,
        fingerprint: str,
        prepared: Callable[[], Awaitable[Import]],
        add: Callable[[Import], Awaitable[None]],
    ) -> tuple[Import, bool]:
        """The import of this key: a new import, or the import of an earlier request.

        Args:
            issuer_id: the owner of the key.
            key: the key.
            fingerprint: of the request.
            prepared: makes the import, with all checks; its errors are not remembered.
            add: adds the import, under the given id.

        Returns:
            the import, and whether another request made it.

        Raises:
            ApiError: ``idempotency_key_reused``, ``idempotency_in_progress``, ``import_deleted``; and the errors of
                ``prepared`` and ``add``.
            StoreUnavailable: the database does not answer.
        """
        record_id = hashlib.sha256(f"{issuer_id}\0{key}".encode()).hexdigest()
        found = await self.store.records.get(KIND, record_id)
        if found is None:
            document = await prepared()
            now = truncate_to_milliseconds(self.store.clock.now())
            data = {"fingerprint": fingerprint, "import_id": document.id}
            record = Record(KIND, record_id, issuer_id, data, now, expires_at=now + self.keep)
            try:
                await self.store.records.add(record)
            except DuplicateId:
                found = await self.store.records.get(KIND, record_id)
                if found is None:
                    raise ApiError("idempotency_in_progress", retry_after=RETRY_AFTER) from None
            else:
                return await self._added(document, record, add)
        return await self._again(found, fingerprint, prepared, add)

    async def _again(
        self,
        found: Record,
        fingerprint: str,
        prepared: Callable[[], Awaitable[Import]],
        add: Callable[[Import], Awaitable[None]],
    ) -> tuple[Import, bool]:
        """The import of a known key."""
        if found.data["fingerprint"] != fingerprint:
            raise ApiError("idempotency_key_reused")
        import_id: str = found.data["import_id"]
        document = await self.store.get(import_id)
        if document is not None or found.data.get("is_added"):
            return await self._replayed(document, found)
        if self.store.clock.now() - found.created_at < GRACE:
            raise ApiError("idempotency_in_progress", retry_after=RETRY_AFTER)
        return await self._added(replace(await prepared(), id=import_id), found, add)

    async def _added(
        self, document: Import, record: Record, add: Callable[[Import], Awaitable[None]]
    ) -> tuple[Import, bool]:
        """Add the import of a key, unless another request was faster: then the import of that request."""
        try:
            await add(document)
        except DuplicateId:
            return await self._replayed(await self.store.get(document.id), record)
        await self._mark(record)
        return document, False

    async def _replayed(self, document: Import | None, record: Record) -> tuple[Import, bool]:
        """The import that another request made, if it still exists."""
        if document is None or document.deleted_at is not None:
            raise ApiError("import_deleted")
        await self._mark(record)
        return document, True

    async def _mark(self, record: Record) -> None:
        """Note that the import was added, so that nobody adds it again after its deletion."""
        if not record.data.get("is_added"):
            await self.store.records.replace(record.changed(data={**record.data, "is_added": True}))
