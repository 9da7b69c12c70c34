"""The memory store conforms."""

import pytest

from lading.service.documents import DocumentStore
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.models.clock import TimeCounter
from tests.conformance.documents.suite import DocumentStoreSuite, SettableClock


@pytest.mark.one_in(3)
class TestMemoryDocumentStore(DocumentStoreSuite):
    not_durable = "the memory store keeps nothing"

    def make_store(self, clock: SettableClock) -> DocumentStore:
        return MemoryDocumentStore(clock)

    def make_steady_store(self, clock: SettableClock, counter: TimeCounter) -> DocumentStore:
        return MemoryDocumentStore(clock, counter)
