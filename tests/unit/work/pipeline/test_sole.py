"""The end of an import that shares the image of another import."""

from dataclasses import replace

import pytest

from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.work.pipeline.duplicates import Duplicates
from lading.service.work.pipeline.outcomes import Outcome
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import
from tests.unit.models.samples import IMAGE


def test_an_import_that_refers_to_no_other_image_keeps_its_own_object() -> None:
    """Otherwise its own image would be noted as an object to remove."""
    clock = SettableClock()
    running = make_import(clock, params={"dedupe": "organization"}).claimed("worker", clock.now())
    sole = Duplicates(MemoryDocumentStore(clock), clock).sole(Outcome(IMAGE, "url", running))
    assert sole is not None
    with pytest.raises(ValueError, match="refers to no image"):
        sole.shared(running)
    shared = sole.shared(running.referring(IMAGE, clock.now()))
    assert (shared.duplicate, shared.leftover_at) == (IMAGE, clock.now())


def test_an_import_that_shares_an_image_tells_what_came_for_itself() -> None:
    clock = SettableClock()
    running = make_import(clock, params={"dedupe": "organization"}).claimed("worker", clock.now())
    own = replace(IMAGE, source_sha256="33" * 32, facts={"one": {"a": 2}})
    sole = Duplicates(MemoryDocumentStore(clock), clock).sole(Outcome(own, "url", running))
    assert sole is not None
    other = replace(IMAGE, key="ab/another", source_sha256="22" * 32, facts={"one": {"a": 1}})
    shared = sole.shared(running.referring(other, clock.now())).duplicate
    assert shared == replace(own, key="ab/another")
