"""Requests that may be sent again: with one ``Idempotency-Key`` there is one import, however often it is posted.

draft-ietf-httpapi-idempotency-key-header. The key is remembered, with the id that its import is going to have, before
the import is added under this id; since adds are create-only, there can be no second one, whoever adds it: the request
itself, or, where its process died or stood still in between, a later one. Whoever adds it has made it. Everyone else
answers with that same import as a replay, also the request that remembered the key first.
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
"""How long a request that has remembered its key may take to add its import; then another one does."""
RETRY_AFTER: Final = 1
_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"|([!#-~]{1,255})')
"""A string of RFC 9651 section 3.3.3; or, as many clients send it, the same without quotes and spaces."""


def key_of(values: Sequence[str]) -> str | None:
    """The key that a request's header fields name, or None where there is no such field.

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
    """What two requests with the same parameters, in whatever order, have in common."""
    text = json.dumps(params, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Remembers keys, each of its issuer, for durations that the store's clock judges.

    Attributes:
        keep: for how long.
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
        """The import of this key: a new one, or that of an earlier request.

        Args:
            issuer_id: whose key it is.
            key: the key.
            fingerprint: of the request.
            prepared: makes the import, with all checks; what it raises is not remembered.
            add: adds it, under the id that it is given.

        Returns:
            the import, and whether another request has made it.

        Raises:
            ApiError: ``idempotency_key_reused``, ``idempotency_in_progress``; ``not_found``, where the import was
                deleted; and what ``prepared`` and ``add`` raise.
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
        """The import of a key that is known."""
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
        """Add the import of a key, unless another request was faster: then it is that one's."""
        try:
            await add(document)
        except DuplicateId:
            return await self._replayed(await self.store.get(document.id), record)
        await self._mark(record)
        return document, False

    async def _replayed(self, document: Import | None, record: Record) -> tuple[Import, bool]:
        """The import that another request has made, if it is still there."""
        if document is None or document.deleted_at is not None:
            raise ApiError("not_found")
        await self._mark(record)
        return document, True

    async def _mark(self, record: Record) -> None:
        """Note that the import was there once: should it be deleted, nobody is to take it for one never added."""
        if not record.data.get("is_added"):
            await self.store.records.replace(record.changed(data={**record.data, "is_added": True}))
