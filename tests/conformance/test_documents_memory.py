"""The memory store conforms."""

from service.clock import TimeCounter
from service.documents import DocumentStore
from service.documents.memory import MemoryDocumentStore
from tests.conformance.documents import DocumentStoreSuite, SettableClock


class TestMemoryDocumentStore(DocumentStoreSuite):
    not_durable = "the memory store keeps nothing"

    def make_store(self, clock: SettableClock) -> DocumentStore:
        return MemoryDocumentStore(clock)

    def make_steady_store(self, clock: SettableClock, counter: TimeCounter) -> DocumentStore:
        return MemoryDocumentStore(clock, counter)
