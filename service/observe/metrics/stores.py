"""Times the operations of a document store, whichever store it is."""

import inspect
from abc import ABC
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterator, Mapping
from time import monotonic
from typing import Any, Final

from ...documents import DocumentStore, DuplicateId, StoreUnavailable, TooManyRecords
from ...documents.queue import ImportQueue
from ...documents.records import RecordStore
from ...documents.search import ImportSearch
from .meter import Meter

_CLAIMS: Final[Mapping[str, Callable[[Any], int]]] = {
    "claim": len,
    "claim_these": lambda taken: len(taken.claimed),
}
"""The operations that claim, and how many imports their results are."""
_UNTIMED: Final = frozenset({"open", "close"})


def measure(store: DocumentStore, meter: Meter) -> None:
    """Time every operation of a store from now on, and count what it claims.

    The operations of the object itself are replaced, so that the store stays an instance of its class, with the
    capabilities that it has: a wrapper would have to repeat forty methods, and those to come.
    """
    for target, contract, prefix in (
        (store, DocumentStore, ""),
        (store.search, ImportSearch, "search."),
        (store.records, RecordStore, "records."),
        (store.queue, ImportQueue, "queue."),
    ):
        for name in operations(contract):
            setattr(target, name, _timed(prefix + name, getattr(target, name), meter))


def operations(contract: type[ABC]) -> Iterator[str]:
    """The names of the operations of a contract of the document store."""
    for name in sorted(contract.__abstractmethods__ - _UNTIMED):
        if inspect.iscoroutinefunction(getattr(contract, name)):
            yield name


def _timed(operation: str, call: Callable[..., Awaitable[Any]], meter: Meter) -> Callable[..., Awaitable[Any]]:
    store_call, size = meter.store_call, _CLAIMS.get(operation)

    async def timed(*args: Any, **kwargs: Any) -> Any:
        began = monotonic()
        try:
            result = await call(*args, **kwargs)
        except BaseException as error:
            store_call(operation, _outcome(error), monotonic() - began)
            raise
        store_call(operation, "ok", monotonic() - began)
        if size is not None:
            meter.claimed(size(result))
        return result

    return timed


def _outcome(error: BaseException) -> str:
    if isinstance(error, StoreUnavailable):
        return "unavailable"
    if isinstance(error, DuplicateId | TooManyRecords):
        return "refused"
    return "cancelled" if isinstance(error, CancelledError) else "failed"
