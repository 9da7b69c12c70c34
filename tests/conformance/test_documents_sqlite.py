"""The SQLite store conforms, and does what only a file can be asked for."""

from pathlib import Path

import pytest

from service.documents import DocumentStore
from service.documents.sqlite import SqliteDocumentStore
from tests.conformance.documents import DocumentStoreSuite, SettableClock


class TestSqliteDocumentStore(DocumentStoreSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "documents" / "lading.db"

    def make_store(self, clock: SettableClock) -> DocumentStore:
        return SqliteDocumentStore(self.path, clock)
