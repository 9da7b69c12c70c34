"""The conformance suite of document stores: what ``service.documents`` promises, case by case.

A store's tests subclass ``DocumentStoreSuite`` under a name that begins with ``Test`` and define ``make_store`` and
``make_steady_store``.
"""

from tests.conformance.documents_base import SettableClock
from tests.conformance.documents_changes import ChangesCases
from tests.conformance.documents_claims import ClaimCases
from tests.conformance.documents_clock import ClockCases
from tests.conformance.documents_images import ImageCases
from tests.conformance.documents_imports import ImportCases
from tests.conformance.documents_issuers import IssuerCases
from tests.conformance.documents_lifecycle import LifecycleCases
from tests.conformance.documents_outbox import OutboxCases
from tests.conformance.documents_quota import QuotaCases
from tests.conformance.documents_records import RecordCases
from tests.conformance.documents_search import SearchCases
from tests.conformance.documents_workers import WorkerCases

__all__ = ["DocumentStoreSuite", "SettableClock"]


class DocumentStoreSuite(
    ImportCases,
    ImageCases,
    QuotaCases,
    OutboxCases,
    ClaimCases,
    WorkerCases,
    ClockCases,
    SearchCases,
    ChangesCases,
    RecordCases,
    IssuerCases,
    LifecycleCases,
):
    """All cases; see ``DocumentStoreCases`` for what a subclass defines."""
