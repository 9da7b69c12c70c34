"""The document store suite finds faults: each store here breaks one promise, and the case that names it fails."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lading.service.documents import DocumentStore, StoredAlready
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.documents.search import Changed
from lading.service.models import Import, Status
from lading.service.models.clock import Clock, TimeCounter
from lading.service.models.issuers import Issuer
from tests.conformance.documents.cases.base import SECOND
from tests.conformance.documents.cases.clock import HOUR
from tests.conformance.documents.suite import DocumentStoreSuite, SettableClock


class AddReplaces(MemoryDocumentStore):
    async def add(self, document: Import) -> None:
        self._imports.pop(document.id, None)
        await super().add(document)


class AddKeepsTheCallersParams(MemoryDocumentStore):
    async def add(self, document: Import) -> None:
        self._imports[document.id] = document


class GetSortsParams(MemoryDocumentStore):
    async def get(self, import_id: str) -> Import | None:
        document = await super().get(import_id)
        return document and replace(document, params=dict(sorted(document.params.items())))


class UpdateComparesNothing(MemoryDocumentStore):
    async def update(self, document: Import) -> bool:
        known = document.id in self._imports
        self._imports[document.id] = document
        return known


class UpdateAcceptsAnyLaterRevision(MemoryDocumentStore):
    async def update(self, document: Import) -> bool:
        stored = self._imports.get(document.id)
        later = stored is not None and stored.revision < document.revision
        return later and await super().update(replace(document, revision=self._imports[document.id].revision + 1))


class FindsAnyImage(MemoryDocumentStore):
    """The first that has an image, whatever its state."""

    async def get_by_image(self, image_id: str) -> Import | None:
        return next((document for document in self._imports.values() if document.image_id is not None), None)


class FindsImagesOfWhatIsNotDone(MemoryDocumentStore):
    async def get_by_image(self, image_id: str) -> Import | None:
        return next((document for document in self._imports.values() if document.image_id == image_id), None)


class CountsStoredImagesOfAll(MemoryDocumentStore):
    async def stored_bytes(self, organization_id: str) -> int:
        return sum(document.stored_bytes for document in self._imports.values())


class CountsWhatIsPurgedToo(MemoryDocumentStore):
    async def stored_bytes(self, organization_id: str) -> int:
        images = [one.image for one in self._imports.values() if one.organization_id == organization_id]
        return sum(image.byte_size for image in images if image is not None)


class CountsFinishesThatLose(MemoryDocumentStore):
    counted = 0

    async def update(self, document: Import) -> bool:
        self.counted += document.stored_bytes
        return await super().update(document)

    async def stored_bytes(self, organization_id: str) -> int:
        return self.counted


class ForgetsDeletions(MemoryDocumentStore):
    async def update(self, document: Import) -> bool:
        return await super().update(replace(document, image_deleted_at=None, image_purged_at=None))


class ListsWhatIsPurged(MemoryDocumentStore):
    async def unpurged(self, limit: int) -> Sequence[Import]:
        return [document for document in self._imports.values() if document.image_deleted_at is not None][:limit]


class FindsAnyHeir(MemoryDocumentStore):
    async def heir(self, key: str) -> Import | None:
        return next((one for one in self._imports.values() if one.shared_key == key), None)


class KeepsShares(MemoryDocumentStore):
    async def update(self, document: Import) -> bool:
        stored = self._imports.get(document.id)
        kept = None if stored is None else stored.duplicate
        return await super().update(replace(document, duplicate=document.duplicate or kept))


class LooksBeforeItWrites(MemoryDocumentStore):
    """In two steps, between which others look."""

    async def update_unless_stored(self, document: Import, albums: Collection[str] | None) -> bool:
        assert document.image is not None
        found = await self.search.by_sha256(document.organization_id, document.image.sha256, albums)
        await asyncio.sleep(0)
        if found is not None:
            raise StoredAlready(found)
        return await self.update(document)


class LooksEverywhere(MemoryDocumentStore):
    async def update_unless_stored(self, document: Import, albums: Collection[str] | None) -> bool:
        return await super().update_unless_stored(document, None)


class CountsSharedBytesTwice(MemoryDocumentStore):
    async def stored_bytes(self, organization_id: str) -> int:
        images = [one.image or one.duplicate for one in self._imports.values() if one.image_purged_at is None]
        return sum(one.byte_size for one in images if one is not None)


class ForgetsLeftovers(MemoryDocumentStore):
    async def unpurged(self, limit: int) -> Sequence[Import]:
        return [one for one in await super().unpurged(1000) if one.has_image_to_go][:limit]


class UnfairClaim(MemoryDocumentStore):
    """The oldest first, whosever it is, whatever else was asked for."""

    async def claim(self, worker_id: str, limit: int, **wishes: Any) -> Sequence[Import]:
        claimed: list[Import] = []
        for document in sorted(self._imports.values(), key=lambda document: document.run_at):
            wanted = document.status is Status.QUEUED and document.run_at <= self._clock.now()
            if wanted and len(claimed) < limit:
                claimed.append(document.claimed(worker_id, self._clock.now()))
                self._imports[document.id] = claimed[-1]
        return claimed


class ClaimWithoutAPlace(MemoryDocumentStore):
    async def claim(self, worker_id: str, limit: int, **wishes: Any) -> Sequence[Import]:
        self._last_issuer = ""
        return await super().claim(worker_id, limit, **wishes)


class ClaimOfTheFuture(MemoryDocumentStore):
    async def claim(self, worker_id: str, limit: int, **wishes: Any) -> Sequence[Import]:
        for document in list(self._imports.values()):
            self._imports[document.id] = replace(document, run_at=min(document.run_at, self._clock.now()))
        return await super().claim(worker_id, limit, **wishes)


class ClaimThatIsNotKept(MemoryDocumentStore):
    async def claim(self, worker_id: str, limit: int, **wishes: Any) -> Sequence[Import]:
        before = dict(self._imports)
        claimed = await super().claim(worker_id, limit, **wishes)
        self._imports = before
        return claimed


class ClaimOfAnyHost(MemoryDocumentStore):
    async def claim(self, worker_id: str, limit: int, **wishes: Any) -> Sequence[Import]:
        return await super().claim(worker_id, limit, **{**wishes, "exclude_hosts": ()})


class CountsFinished(MemoryDocumentStore):
    async def unfinished(self, limit: int, issuer_id: str | None = None) -> int:
        del limit, issuer_id
        return len(self._imports)


class CountsEveryIssuer(MemoryDocumentStore):
    async def unfinished(self, limit: int, issuer_id: str | None = None) -> int:
        del issuer_id
        return await super().unfinished(limit)


class RegisterTwice(MemoryDocumentStore):
    async def register(self, worker_id: str, lease: timedelta) -> None:
        self._leases[worker_id] = self._clock.now() + lease


class HeartbeatRevives(MemoryDocumentStore):
    async def heartbeat(self, worker_id: str, lease: timedelta) -> bool:
        self._leases[worker_id] = self._clock.now() + lease
        return True


class HeartbeatRenewsNothing(MemoryDocumentStore):
    async def heartbeat(self, worker_id: str, lease: timedelta) -> bool:
        return worker_id in self._leases


class RecoverWithoutLimit(MemoryDocumentStore):
    async def recover(self, limit: int) -> int:
        return await super().recover(1000)


class RecoverTakesFromTheLiving(MemoryDocumentStore):
    async def recover(self, limit: int) -> int:
        self._leases = {}
        return await super().recover(limit)


class RecoverCountsNoDeath(MemoryDocumentStore):
    async def recover(self, limit: int) -> int:
        recovered = await super().recover(limit)
        for document in list(self._imports.values()):
            self._imports[document.id] = replace(document, abandoned=0)
        return recovered


class ReleaseDoesNothing(MemoryDocumentStore):
    async def release(self, worker_id: str) -> None:
        pass


class RotationThatForgets(MemoryDocumentStore):
    async def rotate_issuer(self, issuer_id: str, key: str, keep_until: datetime | None) -> bool:
        await super().rotate_issuer(issuer_id, key, keep_until)
        return await super().rotate_issuer(issuer_id, key, keep_until)


class KeysForEver(MemoryDocumentStore):
    async def drop_previous_keys(self) -> int:
        return 0


class IssuersInTheOrderOfTheirArrival(MemoryDocumentStore):
    async def list_issuers(self) -> Sequence[Issuer]:
        return list(self._issuers.values())


class ChangesByTheirMoments(MemoryDocumentStore):
    """In the order of ``updated_at``, as versions before had it."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        search = self.search

        async def changed_since(organization_id: str, position: str, limit: int) -> Changed:
            order = sorted(self._imports.values(), key=lambda one: one.updated_at)
            self._writes.numbers = {one.id: round(one.updated_at.timestamp() * 1000) for one in order}
            self._writes.last = max(self._writes.numbers.values(), default=0)
            return await found(organization_id, position, limit)

        found = search.changed_since
        search.changed_since = changed_since  # type: ignore[method-assign]


class NumbersAreGivenTwice(MemoryDocumentStore):
    async def remove(self, document: Import) -> bool:
        is_removed = await super().remove(document)
        self._writes.last = max(self._writes.numbers.values(), default=0)
        return is_removed


class ClaimsHaveNoPlace(MemoryDocumentStore):
    async def claim(self, worker_id: str, limit: int, **wishes: Any) -> Sequence[Import]:
        before = dict(self._writes.numbers)
        claimed = await super().claim(worker_id, limit, **wishes)
        self._writes.numbers = before
        return claimed


class AnnouncingIsAWrite(MemoryDocumentStore):
    async def announced(self, import_id: str, event_ids: Collection[str]) -> None:
        await super().announced(import_id, event_ids)
        self._writes.number(import_id)


class JudgesByTheMachine(MemoryDocumentStore):
    """By a clock that is set by whoever likes."""

    def __init__(self, clock: Clock, counter: TimeCounter | None = None) -> None:
        super().__init__(clock)
        assert counter is None or self.clock is clock


class ForgetsSinceWhen(MemoryDocumentStore):
    async def add(self, document: Import) -> None:
        await super().add(replace(document, due_since=None))


class NeverCloses(MemoryDocumentStore):
    async def close(self) -> None:
        pass


FAULTS: list[tuple[type[DocumentStore], str, dict[str, Any]]] = [
    (AddReplaces, "test_a_second_import_with_one_id_is_refused", {}),
    (AddReplaces, "test_of_concurrent_adds_of_one_id_one_succeeds", {}),
    (AddReplaces, "test_of_500_concurrent_adds_a_duplicate_fails_alone", {}),
    (AddKeepsTheCallersParams, "test_what_is_stored_is_not_what_a_caller_holds", {}),
    (GetSortsParams, "test_params_are_kept_exactly_and_in_order", {"params": {"b": 1, "a": 2}}),
    (UpdateComparesNothing, "test_an_update_of_any_other_revision_changes_nothing", {"revision": 5}),
    (UpdateComparesNothing, "test_an_update_never_creates", {}),
    (UpdateComparesNothing, "test_of_concurrent_updates_one_wins", {}),
    (UpdateComparesNothing, "test_a_zombie_can_change_nothing", {}),
    (UpdateAcceptsAnyLaterRevision, "test_an_update_of_any_other_revision_changes_nothing", {"revision": 7}),
    (FindsAnyImage, "test_each_image_leads_to_its_own_import", {}),
    (FindsAnyImage, "test_an_unknown_image_leads_to_nothing", {"image_id": "unknown"}),
    (FindsAnyImage, "test_image_ids_are_compared_exactly_and_are_not_those_of_imports", {}),
    (FindsImagesOfWhatIsNotDone, "test_an_import_that_is_not_done_is_not_found_by_an_image", {"status": Status.FAILED}),
    (CountsStoredImagesOfAll, "test_each_organisation_has_its_own_sum", {}),
    (CountsWhatIsPurgedToo, "test_a_deleted_image_counts_until_it_is_purged", {}),
    (CountsFinishesThatLose, "test_a_write_that_loses_counts_nothing", {}),
    (CountsFinishesThatLose, "test_what_is_added_as_done_counts", {}),
    (CountsWhatIsPurgedToo, "test_the_sum_is_that_of_the_documents_whatever_happens", {}),
    (ForgetsDeletions, "test_a_deletion_is_written_step_by_step", {}),
    (ListsWhatIsPurged, "test_deletions_in_progress_are_listed_the_first_first", {}),
    (FindsAnyHeir, "test_who_has_adopted_an_object_comes_before_who_is_done_before_who_runs", {}),
    (KeepsShares, "test_whose_image_is_deleted_or_whose_attempt_has_ended_is_no_heir", {}),
    (LooksBeforeItWrites, "test_of_eight_at_once_one_keeps_its_own", {"albums": None}),
    (LooksEverywhere, "test_only_an_import_that_would_be_found_stands_in_the_way", {}),
    (LooksBeforeItWrites, "test_it_is_an_update", {}),
    (CountsSharedBytesTwice, "test_bytes_that_are_shared_count_once_and_for_who_has_adopted_them", {}),
    (ForgetsLeftovers, "test_what_an_ended_import_has_left_is_listed_until_it_is_gone_for_good", {}),
    (UpdateComparesNothing, "test_of_concurrent_deletions_one_is_written", {}),
    (UnfairClaim, "test_a_worker_whose_lease_was_ended_is_given_nothing", {}),
    (UnfairClaim, "test_a_backlog_of_one_issuer_delays_no_other", {}),
    (UnfairClaim, "test_issuers_are_served_in_equal_parts", {}),
    (UnfairClaim, "test_no_more_of_one_issuer_than_asked_for", {}),
    (UnfairClaim, "test_excluded_issuers_are_left_alone", {}),
    (ClaimOfAnyHost, "test_excluded_hosts_are_left_alone", {}),
    (ClaimOfAnyHost, "test_issuers_who_have_only_imports_of_excluded_hosts_delay_no_other", {}),
    (ClaimWithoutAPlace, "test_claims_of_one_take_the_issuers_in_turn", {}),
    (ClaimWithoutAPlace, "test_with_more_issuers_than_the_limit_all_are_served", {}),
    (ClaimOfTheFuture, "test_an_import_is_claimed_when_it_is_due", {}),
    (ClaimOfTheFuture, "test_an_import_requeued_is_claimed_again_when_due", {}),
    (ClaimThatIsNotKept, "test_a_claimed_import_is_running", {}),
    (CountsFinished, "test_unfinished_imports_are_counted_up_to_a_limit", {}),
    (CountsEveryIssuer, "test_unfinished_imports_are_counted_up_to_a_limit", {}),
    (RegisterTwice, "test_a_worker_id_with_a_lease_is_refused", {}),
    (HeartbeatRevives, "test_a_heartbeat_after_recovery_is_refused_for_good", {}),
    (HeartbeatRenewsNothing, "test_a_heartbeat_renews_the_lease", {}),
    (RecoverWithoutLimit, "test_recovery_goes_no_further_than_its_limit", {}),
    (RecoverTakesFromTheLiving, "test_recovery_leaves_the_living_alone", {}),
    (RecoverCountsNoDeath, "test_every_death_is_counted", {}),
    (ReleaseDoesNothing, "test_release_ends_the_lease_at_once", {}),
    (RotationThatForgets, "test_a_new_key_makes_the_present_one_the_previous_one", {}),
    (RotationThatForgets, "test_of_new_keys_given_at_once_each_takes_the_place_of_the_one_before_it", {}),
    (KeysForEver, "test_previous_keys_are_dropped_when_their_time_has_ended", {}),
    (IssuersInTheOrderOfTheirArrival, "test_issuers_are_listed_in_the_order_of_their_ids", {}),
    (ChangesByTheirMoments, "test_changes_come_in_the_order_of_their_commits", {}),
    (ChangesByTheirMoments, "test_what_was_decided_long_before_it_is_written_is_found", {"paused": 5 * SECOND}),
    (ChangesByTheirMoments, "test_a_clock_ahead_hides_nothing_of_others", {}),
    (NumbersAreGivenTwice, "test_a_removal_gives_no_place_away", {}),
    (ClaimsHaveNoPlace, "test_every_kind_of_write_has_a_place", {}),
    (AnnouncingIsAWrite, "test_announcing_is_no_change", {}),
    (JudgesByTheMachine, "test_the_stores_clock_goes_on_whatever_the_machines_is_set_to", {"step": HOUR}),
    (JudgesByTheMachine, "test_a_step_neither_ends_nor_prolongs_a_lease", {"step": HOUR}),
    (JudgesByTheMachine, "test_a_step_neither_ends_nor_prolongs_a_lease", {"step": -HOUR}),
    (JudgesByTheMachine, "test_a_step_makes_no_import_wait_and_none_run_early", {"step": HOUR}),
    (JudgesByTheMachine, "test_a_step_makes_no_import_wait_and_none_run_early", {"step": -HOUR}),
    (JudgesByTheMachine, "test_a_step_expires_no_record_early_and_none_late", {"step": HOUR}),
    (JudgesByTheMachine, "test_a_step_expires_no_record_early_and_none_late", {"step": -HOUR}),
    (JudgesByTheMachine, "test_a_step_expires_no_waiting_import_early_and_none_late", {"step": HOUR}),
    (JudgesByTheMachine, "test_a_step_ends_no_previous_key_early_and_none_late", {"step": -HOUR}),
    (ForgetsSinceWhen, "test_since_when_an_import_is_due_is_kept", {}),
    (NeverCloses, "test_a_closed_store_is_unavailable", {}),
]


def suite_of(store: type[DocumentStore]) -> DocumentStoreSuite:
    class Suite(DocumentStoreSuite):
        not_durable = "two of these stores share nothing"

        def make_store(self, clock: SettableClock) -> DocumentStore:
            return store(clock)  # type: ignore[call-arg]

        def make_steady_store(self, clock: SettableClock, counter: TimeCounter) -> DocumentStore:
            return store(clock, counter)  # type: ignore[call-arg]

    return Suite()


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("broken", "case", "arguments"), FAULTS, ids=[f"{one[0].__name__}-{one[1]}" for one in FAULTS])
@pytest.mark.gen_test(timeout=30)
async def test_the_suite_complains(broken: type[DocumentStore], case: str, arguments: dict[str, Any]) -> None:
    await getattr(suite_of(MemoryDocumentStore), case)(**arguments)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await getattr(suite_of(broken), case)(**arguments)
