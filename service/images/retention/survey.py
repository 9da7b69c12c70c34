"""What retention would remove. Reads only."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...documents import DocumentStore
from ...documents.search import Position
from ...models import Import, Status
from .policy import Policy

PAGE = 500


@dataclass(frozen=True, slots=True)
class Share:
    """The old imports of one state and issuer.

    Attributes:
        count: how many they are.
        byte_size: of their images; those that other imports share count for their owner.
        oldest: when the oldest one last changed.
    """

    count: int
    byte_size: int
    oldest: datetime


Survey = Mapping[tuple[Status, str], Share]


async def too_old(
    store: DocumentStore, policy: Policy, now: datetime, page: int = PAGE
) -> AsyncGenerator[list[Import], None]:
    """The imports that must go, the oldest of each state first, in lists of at most ``page``; lists may be empty.

    Raises:
        StoreUnavailable: while iterated.
    """
    for status in policy.statuses:
        before = policy.before(status, now)
        after: Position | None = None
        while before is not None and (found := await store.search.ended(status, before, page, after)):
            yield [document for document in found if policy.is_too_old(document, now)]
            after = Position(found[-1].updated_at, found[-1].id)


async def survey(store: DocumentStore, policy: Policy, now: datetime) -> Survey:
    """What retention would remove, by state and issuer. Its cost depends on how many imports are old.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    found: dict[tuple[Status, str], Share] = {}
    async with aclosing(too_old(store, policy, now)) as pages:
        async for documents in pages:
            for one in documents:
                key = one.status, one.issuer_id
                before = found.get(key, Share(0, 0, one.updated_at))
                found[key] = Share(before.count + 1, before.byte_size + one.stored_bytes, before.oldest)
    return found


def as_json(found: Survey, policy: Policy) -> dict[str, Any]:
    """The survey as ``lading retention --dry-run --json`` prints it."""
    return {
        "images": "keep" if policy.keeps_images else "delete",
        "imports": sum(share.count for share in found.values()),
        "bytes": sum(share.byte_size for share in found.values()),
        "groups": [
            {
                "status": status.value,
                "issuer_id": issuer_id,
                "imports": share.count,
                "bytes": share.byte_size,
                "oldest": share.oldest.isoformat(timespec="milliseconds"),
            }
            for (status, issuer_id), share in sorted(found.items())
        ],
    }
