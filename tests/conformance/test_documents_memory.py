"""The memory store conforms."""

from service.documents import DocumentStore
from service.documents.memory import MemoryDocumentStore
from tests.conformance.documents import DocumentStoreSuite, SettableClock


class TestMemoryDocumentStore(DocumentStoreSuite):
    not_durable = "the memory store keeps nothing"

    def make_store(self, clock: SettableClock) -> DocumentStore:
        return MemoryDocumentStore(clock)
