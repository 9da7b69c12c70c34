"""The conformance suite of document stores: what ``lading.service.documents`` promises, case by case.

A store's tests subclass ``DocumentStoreSuite`` under a name that begins with ``Test`` and define ``make_store`` and
``make_steady_store``.
"""

from tests.conformance.documents.cases.base import SettableClock
from tests.conformance.documents.cases.changes import ChangesCases
from tests.conformance.documents.cases.clock import ClockCases
from tests.conformance.documents.cases.images import ImageCases
from tests.conformance.documents.cases.imports import ImportCases
from tests.conformance.documents.cases.issuers import IssuerCases
from tests.conformance.documents.cases.lending import LendingCases
from tests.conformance.documents.cases.lifecycle import LifecycleCases
from tests.conformance.documents.cases.outbox import OutboxCases
from tests.conformance.documents.cases.quota import QuotaCases
from tests.conformance.documents.cases.records import RecordCases
from tests.conformance.documents.cases.search import SearchCases
from tests.conformance.documents.cases.shares import EqualBytesCases, ShareCases
from tests.conformance.documents.cases.texts import TextCases
from tests.conformance.documents.cases.work.claims import ClaimCases
from tests.conformance.documents.cases.work.crew import CrewCases
from tests.conformance.documents.cases.work.queue import QueueCases
from tests.conformance.documents.cases.work.taking import TakingCases
from tests.conformance.documents.cases.work.workers import WorkerCases

__all__ = ["DocumentStoreSuite", "SettableClock"]


class DocumentStoreSuite(
    ImportCases,
    ImageCases,
    ShareCases,
    EqualBytesCases,
    QuotaCases,
    OutboxCases,
    ClaimCases,
    TakingCases,
    WorkerCases,
    CrewCases,
    ClockCases,
    SearchCases,
    QueueCases,
    ChangesCases,
    RecordCases,
    LendingCases,
    TextCases,
    IssuerCases,
    LifecycleCases,
):
    """All cases; see ``DocumentStoreCases`` for what a subclass defines."""
