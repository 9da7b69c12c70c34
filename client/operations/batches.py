"""Many imports: sent in batches of bounded size, watched together, given back as they end."""

import uuid
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any, Final

from ..core import items_of, json_body, lines_of, segment
from ..documents import Batch, BatchRetry
from ..errors import NotFound, PermissionDenied
from ..models import Import
from ..results import Outcome
from ..steps import END, Emit, Operation, Pause, Request, Stream, Take
from .flights import BATCH, SUBMITTING, UNWATCHED_BATCH, Flight, Group, Item
from .imports import ImportOperations

BATCH_BYTES: Final = 4 * 1024 * 1024
LOOKS: Final = 8
"""Imports in a row that may be unfinished before the others are left for later, where each is looked at alone."""

ItemLike = str | Mapping[str, Any]


class BatchOperations(ImportOperations):
    """The operations on batches. ``Client`` returns the results, ``AsyncClient`` awaits them."""

    __slots__ = ()

    def import_many(
        self,
        items: Iterable[ItemLike] | AsyncIterable[ItemLike],
        *,
        wait: bool = True,
        timeout: float = 3600.0,
        batch_size: int = BATCH,
        idempotency_key: str | None = None,
    ) -> Stream[Outcome]:
        """Import many images, in batches, and give each outcome as soon as it is known, in any order.

        Items are taken as they are needed: at most 1000 imports are watched at once. What goes wrong with an item is an
        outcome, and no exception.

        Args:
            items: URLs, or mappings with the parameters of an import; any iterator. Of ``AsyncClient`` also an
                asynchronous one.
            wait: whether to wait until each import has ended; otherwise an outcome comes when the service has accepted
                the item.
            timeout: seconds to wait for an import; then its outcome is ``TimedOut``, and the import goes on.
            batch_size: items of a request, 1 to 200; to 1000 without ``wait``.
            idempotency_key: with the same key, the same items in the same order and batches import nothing twice within
                a day. At most 180 characters. Without a key the client makes one for each batch.

        Raises:
            NotAuthenticated, PermissionDenied, Unavailable, ServerNotReachable: the service did not accept a whole
                batch, or did not answer, after all retries.
            TypeError, ValueError: an item has no form in JSON, or ``batch_size`` is out of range.
        """
        largest = BATCH if wait else UNWATCHED_BATCH
        if not 1 <= batch_size <= largest:
            raise ValueError(f"batch_size must be from 1 to {largest}")
        source = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        flight = Flight(is_awaited=wait, timeout=timeout, batch_size=batch_size, key=idempotency_key)
        while True:
            if flight.has_room:
                flight.load((yield from self._taken(source, flight)), self.tries())
            if flight.is_empty:
                return
            found = yield from self._progress(flight)
            for outcome in found:
                yield Emit(outcome)
            seconds = flight.pause(has_news=bool(found))
            if seconds:
                yield Pause(seconds)

    def get_batch(self, batch_id: str) -> Operation[Batch]:
        """The state of a batch.

        Raises:
            NotFound: the token's organisation has no such batch.
        """
        return (yield from self.document(Request("GET", f"/api/v1/batches/{segment(batch_id)}"), Batch))

    def iter_batch_failures(self, batch_id: str) -> Stream[Mapping[str, Any]]:
        """The parameters of the failed imports of a batch, ready for ``import_many``.

        Raises:
            NotFound: the token's organisation has no such batch.
        """
        reply = yield from self.exchange(Request("GET", f"/api/v1/batches/{segment(batch_id)}/failures"))
        for line in lines_of(reply):
            yield Emit(line)

    def retry_batch(self, batch_id: str) -> Operation[BatchRetry]:
        """Retry the failed imports of a batch.

        Raises:
            NotFound: the token's organisation has no such batch.
        """
        # A repetition retries the imports that have failed since, and no other.
        request = Request(
            "POST",
            f"/api/v1/batches/{segment(batch_id)}/retry",
            headers={"Idempotency-Key": str(uuid.uuid4())},
            timeout=SUBMITTING,
            is_repeatable=True,
        )
        return (yield from self.document(request, BatchRetry))

    def _taken(self, source: Any, flight: Flight) -> Operation[Sequence[Item]]:
        """The items of the next batch; it notes when they are the last ones."""
        items: list[Item] = []
        size = 0
        while len(items) < flight.batch_size and size < BATCH_BYTES:
            taken = yield Take(source)
            if taken is END:
                flight.is_over = True
                break
            params = {"url": taken} if isinstance(taken, str) else dict(taken)
            items.append(Item(flight.taken, len(items) + 1, params, json_body(params)))
            flight.taken += 1
            size += len(items[-1].text)
        return items

    def _progress(self, flight: Flight) -> Operation[Sequence[Outcome]]:
        """Send what is due, and look at what is awaited; the outcomes that are known now."""
        found: list[Outcome] = []
        parcel = flight.parcel
        if parcel is not None and parcel.due <= self.clock():
            reply = yield from self.exchange(parcel.request)
            batch_id = reply.head.headers.get("x-batch-id", "")
            group = parcel.answered(batch_id, lines_of(reply), self.clock(), flight.timeout)
            found += flight.sent(group)
        for group in flight.groups:
            found += yield from self._ended(group)
        flight.groups = [group for group in flight.groups if group.items]
        return found

    def _ended(self, group: Group) -> Operation[Sequence[Outcome]]:
        """The outcomes that are known now."""
        found: list[Outcome] = []
        alone = {**group.items}
        if group.is_listable and any(not item.is_replayed for item in alone.values()):
            try:
                query = (("batch_id", group.batch_id), ("limit", str(BATCH)))
                reply = yield from self.exchange(Request("GET", "/api/v1/imports", query))
            except PermissionDenied:  # the token may still look at each import
                group.is_listable = False
            else:
                for document in items_of(reply, "imports", Import.of):
                    found += group.judged(document, self.clock())
                    alone.pop(document.id, None)
        # Imports that an earlier request made are in its batch.
        looks = LOOKS
        for import_id in alone:
            try:
                document = yield from self.get_import(import_id)
            except NotFound as error:
                found.append(group.items.pop(import_id).outcome(error=error))
                continue
            ended = [*group.judged(document, self.clock())]
            found += ended
            looks -= not ended
            if not looks:
                break
        return found
