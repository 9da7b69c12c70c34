"""Imports: only the documented transitions exist, and values are frozen."""

import uuid
from dataclasses import FrozenInstanceError, asdict, fields, replace
from datetime import timedelta

import pytest

from lading.service.models import Failure, Image, Import, Share, Status
from lading.service.models.lifecycle import CLAIMED
from tests.unit.models.samples import (
    BIRTH,
    FAILURE,
    IMAGE,
    LATER,
    NOW,
    NOW_IN_MILLISECONDS,
    TRANSITIONS,
    make_import,
    running,
)

# --- states and transitions -------------------------------------------------------------------------------------------


def test_secrets_last_as_long_as_the_import_runs() -> None:
    document = replace(make_import(), sealed="sealed")
    now = document.created_at
    failure = Failure("code", "detail", retryable=True)
    begun = document.claimed("worker", now)
    for kept in (
        begun,
        begun.requeued(failure, now, now),
        begun.handed_back(now, now),
        begun.recovered(now),
    ):
        assert kept.sealed == "sealed"
    assert begun.failed(failure, None, now).sealed is None
    assert begun.succeeded(IMAGE, "url", now).sealed is None
    assert "sealed" not in repr(document)


def test_three_states_are_final() -> None:
    assert {status for status in Status if status.is_final} == {Status.DONE, Status.FAILED, Status.CANCELLED}


@pytest.mark.parametrize("name", TRANSITIONS)
@pytest.mark.parametrize("status", list(Status))
def test_a_transition_leads_out_of_one_state_alone(name: str, status: Status) -> None:
    transition, before, after = TRANSITIONS[name]
    document = make_import(status, url="http://a/")
    if status is before:
        assert transition(document).status is after
    else:
        with pytest.raises(ValueError, match=f"{document.id} is {status}, not {before}"):
            transition(document)


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_transition_counts_a_revision_and_changes_nothing_of_the_birth(name: str) -> None:
    transition, status, _ = TRANSITIONS[name]
    document = replace(running(), status=status)
    unchanged = replace(document)
    after = transition(document)
    assert document == unchanged
    assert after.revision == document.revision + 1
    assert after.updated_at == NOW_IN_MILLISECONDS
    assert [getattr(after, field) for field in BIRTH] == [getattr(document, field) for field in BIRTH]


def test_claimed() -> None:
    document = replace(make_import(), attempts=1, error=FAILURE).claimed("worker", NOW)
    assert (document.worker_id, document.attempts, document.error) == ("worker", 2, FAILURE)


def test_a_claim_changes_the_fields_alone_that_stores_write_of_it() -> None:
    full = replace(
        make_import(),
        image_id="image",
        import_type="url",
        batch_id="batch",
        sealed="sealed",
        traceparent="trace",
        key="key",
        error=FAILURE,
        leftover_at=NOW,
        leftover_removed_at=NOW,
        retried_at=NOW,
        deleted_at=NOW,
        due_since=NOW,
        outbox=({"id": "event"},),
        trace=({"phases": []},),
    )
    claimed = full.claimed("worker", LATER)
    changed = {one.name for one in fields(full) if getattr(claimed, one.name) != getattr(full, one.name)}
    assert changed == set(CLAIMED)
    for name in ("share", "shared_key", "unsettled_at", "stored_bytes"):
        assert getattr(claimed, name) == getattr(full, name)


def test_succeeded() -> None:
    document = replace(running(), error=FAILURE)
    done, again = (document.succeeded(IMAGE, "url", NOW) for _ in range(2))
    assert (done.image, done.import_type, done.error, done.worker_id) == (IMAGE, "url", None, None)
    assert done.image_id != again.image_id
    assert str(uuid.UUID(done.image_id)) == done.image_id
    assert (done.attempts, done.abandoned) == (3, 1)


@pytest.mark.parametrize("import_type", ["url", None])
def test_failed(import_type: str | None) -> None:
    failed = running().failed(FAILURE, import_type, NOW)
    assert (failed.error, failed.import_type, failed.worker_id) == (FAILURE, import_type, None)
    assert (failed.attempts, failed.image, failed.image_id) == (3, None, None)


def test_requeued() -> None:
    requeued = running().requeued(FAILURE, LATER, NOW)
    assert (requeued.error, requeued.worker_id, requeued.attempts, requeued.abandoned) == (FAILURE, None, 3, 1)
    assert requeued.run_at == NOW_IN_MILLISECONDS + timedelta(seconds=90)


def test_handed_back() -> None:
    document = replace(running(), error=FAILURE)
    returned = document.handed_back(LATER, NOW)
    assert (returned.attempts, returned.abandoned, returned.worker_id, returned.error) == (2, 1, None, FAILURE)
    assert returned.run_at == NOW_IN_MILLISECONDS + timedelta(seconds=90)


def test_recovered() -> None:
    recovered = running().recovered(NOW)
    assert (recovered.attempts, recovered.abandoned, recovered.worker_id) == (3, 2, None)
    assert recovered.run_at == NOW_IN_MILLISECONDS


def test_what_the_client_sends_is_waited_for_again_when_it_was_not_received() -> None:
    waiting = replace(make_import(Status.WAITING), run_at=LATER)
    receiving = waiting.receiving("worker", NOW)
    assert (receiving.status, receiving.worker_id, receiving.attempts) == (Status.RUNNING, "worker", 1)
    for back, attempts in ((receiving.handed_back(NOW, NOW), 0), (receiving.recovered(NOW), 1)):
        assert (back.status, back.worker_id, back.run_at, back.attempts) == (Status.WAITING, None, LATER, attempts)


def test_a_duplicate_has_no_image_of_its_own() -> None:
    document = running().referring(IMAGE, NOW).duplicated(IMAGE, "url", NOW)
    assert (document.image, document.duplicate) == (None, IMAGE)
    assert document.image_id is not None
    assert document.stored_bytes == 0


def test_a_reference_lasts_as_long_as_the_attempt_or_as_the_image() -> None:
    shared = replace(IMAGE, key="ab/another")
    referring = running().referring(shared, NOW)
    assert (referring.share, referring.shared_key) == (Share.CANDIDATE, "ab/another")
    assert referring.updated_at == running().updated_at, "nobody who looks at the import sees it"
    ends = (
        referring.unreferring(NOW),
        referring.succeeded(IMAGE, "url", NOW),
        referring.failed(FAILURE, "url", NOW),
        referring.requeued(FAILURE, LATER, NOW),
        referring.handed_back(LATER, NOW),
        referring.recovered(NOW),
        referring.cancelled(NOW),
    )
    for after in ends:
        assert after.duplicate is None
    done = referring.duplicated(shared, "url", NOW)
    assert (done.share, done.shared_key) == (Share.REFERRER, "ab/another")
    for gone in (done.image_deleted(NOW), done.deleted(NOW)):
        assert (gone.share, gone.shared_key) == (None, None)


def test_an_adopted_image_tells_what_came_for_its_own_import() -> None:
    owners = replace(IMAGE, key="ab/another", source_sha256="22" * 32, facts={"one": {"a": 1}})
    own = replace(owners, source_sha256="33" * 32, facts={"one": {"a": 2}})
    adopted = running().duplicated(own, "url", NOW).adopted(owners, None, NOW)
    assert adopted.image == own


def test_an_adopted_object_is_the_imports_own_image() -> None:
    moved = replace(IMAGE, key="ab/another", storage="elsewhere")
    done = running().duplicated(replace(IMAGE, key="ab/another"), "url", NOW)
    adopted = done.adopted(moved, "the owner's", NOW)
    assert (adopted.image, adopted.duplicate, adopted.image_id) == (moved, None, done.image_id)
    assert (adopted.share, adopted.shared_key, adopted.stored_bytes) == (Share.OWNER, "ab/another", IMAGE.byte_size)
    assert adopted.image_deleted(NOW).share is None
    old = replace(done, image_id="the owner's").adopted(moved, "the owner's", NOW)
    assert old.image_id not in (None, "the owner's"), "the id goes with the owner"
    for refused in (adopted, done.image_deleted(NOW)):
        with pytest.raises(ValueError, match="refers to no image"):
            refused.adopted(moved, None, NOW)


@pytest.mark.parametrize("status", [status for status in Status if status.is_final])
def test_what_is_final_is_not_cancelled(status: Status) -> None:
    with pytest.raises(ValueError, match=str(status)):
        make_import(status).cancelled(NOW)


@pytest.mark.parametrize("document", [make_import(url="http://a/"), make_import(Status.WAITING)])
def test_what_was_never_begun_is_cancelled_and_leaves_nothing(document: Import) -> None:
    cancelled = document.cancelled(NOW)
    assert (cancelled.status, cancelled.leftover_at, cancelled.is_stopping) == (Status.CANCELLED, None, False)


FRESH = replace(running(), abandoned=0)
SAVING = FRESH.requeued(FAILURE, LATER, NOW).with_leftover(NOW)
SHARED = replace(IMAGE, key="ab/another")


@pytest.mark.parametrize(
    "ended",
    [
        FRESH.cancelled(LATER),
        FRESH.recovered(NOW).cancelled(LATER),
        FRESH.recovered(NOW).claimed("w", NOW).failed(FAILURE, "url", LATER),
        replace(running(), leftover_at=None).failed(FAILURE, "url", LATER),
        FRESH.failed(FAILURE, "url", LATER).with_leftover(LATER),
        SAVING.claimed("w", NOW).failed(FAILURE, "url", LATER),
        SAVING.claimed("w", NOW).duplicated(SHARED, "url", LATER),
        SAVING.cancelled(LATER),
        replace(SAVING, status=Status.WAITING).expired(FAILURE, LATER),
        SAVING.claimed("w", NOW).handed_back(NOW, NOW).claimed("w", NOW).failed(FAILURE, "url", LATER),
    ],
)
def test_what_an_attempt_may_have_stored_has_to_go_when_the_import_ends_without_it(ended: Import) -> None:
    later = LATER.replace(microsecond=789_000)
    assert (ended.leftover_at, ended.is_stopping, ended.unsettled_at) == (later, True, later)
    if ended.status is not Status.DONE:
        with pytest.raises(ValueError, match="still being stopped"):
            ended.retried(NOW, NOW)
    removed = ended.leftover_removed(LATER, for_good=False)
    assert (removed.is_stopping, removed.unsettled_at) == (False, later), "it is looked for once more"
    assert removed.updated_at == ended.updated_at
    if ended.status is not Status.DONE:
        retried = removed.retried(NOW, NOW)
        assert (retried.is_stopping, retried.unsettled_at) == (False, None), "attempts may finish with it"
        assert retried.claimed("w", NOW).failed(FAILURE, "url", NOW).is_stopping if retried.url else True
    found = removed.leftover_found(NOW)
    assert (found.is_stopping, found.leftover_at) == (True, NOW_IN_MILLISECONDS)
    gone = found.leftover_removed(NOW, for_good=True)
    assert (gone.is_stopping, gone.unsettled_at, gone.leftover_at) == (False, None, None)


def test_an_import_that_ends_with_its_own_object_leaves_nothing() -> None:
    done = SAVING.claimed("w", NOW).succeeded(replace(IMAGE, key=FRESH.own_key), "url", NOW)
    assert (done.leftover_at, done.is_stopping, done.unsettled_at) == (None, False, None)
    assert done.with_leftover(NOW) == done
    with pytest.raises(ValueError, match="may be its image"):
        done.leftover_found(NOW)
    with pytest.raises(ValueError, match="left nothing"):
        done.leftover_removed(NOW, for_good=True)


def test_an_import_with_another_key_ends_without_the_objects_under_the_keys_before() -> None:
    again = SAVING.claimed("w", NOW).rekeyed(NOW)
    first = FRESH.own_key
    assert (again.own_key, again.earlier_keys) == (f"again-1/{first}", (first,))
    assert (again.status, again.updated_at, again.leftover_at) == (
        Status.RUNNING,
        SAVING.updated_at,
        NOW_IN_MILLISECONDS,
    )
    third = again.rekeyed(NOW).rekeyed(NOW)
    assert (third.own_key, third.earlier_keys) == (f"again-3/{first}", (first, f"again-1/{first}", f"again-2/{first}"))
    done = third.succeeded(replace(IMAGE, key=third.own_key), "url", LATER)
    assert (done.leftover_keys, done.is_stopping) == (third.earlier_keys, True)
    assert done.leftover_found(NOW).leftover_removed(NOW, for_good=True).unsettled_at is None
    assert third.failed(FAILURE, "url", NOW).leftover_keys == (*third.earlier_keys, third.own_key)
    assert replace(IMAGE, key=third.own_key).import_id == FRESH.id
    with pytest.raises(ValueError, match="not running"):
        done.rekeyed(NOW)


@pytest.mark.parametrize(
    "ended", [FRESH.failed(FAILURE, "url", NOW), FRESH.requeued(FAILURE, LATER, NOW).cancelled(NOW)]
)
def test_where_nothing_was_saved_nothing_has_to_go(ended: Import) -> None:
    assert (ended.leftover_at, ended.is_stopping) == (None, False)
    assert ended.retried(NOW, NOW).status in (Status.QUEUED, Status.WAITING)


def test_cancelled_imports_of_earlier_versions_are_retried_when_they_are_purged() -> None:
    cancelled = replace(make_import(Status.CANCELLED, url="http://a/"), image_deleted_at=NOW_IN_MILLISECONDS)
    assert (cancelled.is_stopping, cancelled.unsettled_at) == (True, NOW_IN_MILLISECONDS)
    with pytest.raises(ValueError, match="still being stopped"):
        cancelled.retried(NOW, NOW)
    retried = cancelled.image_purged(NOW).retried(NOW, NOW)
    assert (retried.status, retried.image_deleted_at, retried.image_purged_at) == (Status.QUEUED, None, None)


def test_a_retried_import_begins_anew() -> None:
    failed = FRESH.failed(FAILURE, "url", NOW)
    assert failed.since == failed.created_at
    retried = failed.retried(LATER, NOW, "sealed")
    assert (retried.status, retried.attempts, retried.abandoned, retried.error) == (Status.QUEUED, 0, 0, None)
    assert (retried.import_type, retried.sealed, retried.since) == (None, "sealed", LATER.replace(microsecond=789_000))
    assert retried.retried_at == NOW_IN_MILLISECONDS
    assert (retried.revision, retried.created_at) == (failed.revision + 1, failed.created_at)
    waiting = make_import(Status.WAITING).expired(FAILURE, NOW).retried(LATER, NOW)
    assert (waiting.status, waiting.run_at) == (Status.WAITING, LATER.replace(microsecond=789_000))


@pytest.mark.parametrize("status", [Status.WAITING, Status.QUEUED, Status.RUNNING, Status.DONE])
def test_only_what_failed_or_was_cancelled_is_retried(status: Status) -> None:
    with pytest.raises(ValueError, match=str(status)):
        make_import(status).retried(NOW, NOW)


@pytest.mark.parametrize("status", list(Status))
def test_an_import_is_deleted_in_any_state_once(status: Status) -> None:
    document = replace(running(), status=status, image=IMAGE if status is Status.DONE else None)
    deleted = document.deleted(NOW)
    assert (deleted.deleted_at, deleted.revision) == (NOW_IN_MILLISECONDS, document.revision + 1)
    assert deleted.status is (status if status.is_final else Status.CANCELLED)
    assert (deleted.image_deleted_at, deleted.image_purged_at) == (NOW_IN_MILLISECONDS, None)
    with pytest.raises(ValueError, match="deleted already"):
        deleted.deleted(NOW)


def test_an_image_that_was_deleted_before_its_import_keeps_its_time() -> None:
    done = replace(running().succeeded(IMAGE, "url", NOW).image_deleted(NOW), image_purged_at=NOW)
    deleted = done.deleted(LATER)
    assert (deleted.image_deleted_at, deleted.image_purged_at) == (NOW_IN_MILLISECONDS, NOW)
    assert deleted.stored_bytes == 0, "what is gone does not count again"


def test_a_transition_begins_without_new_events_and_keeps_the_outbox() -> None:
    done = running().succeeded(IMAGE, "url", NOW)
    document = replace(done, outbox=({"id": "evt_1"},), new_events=({"id": "evt_2"},))
    deleted = document.deleted(LATER)
    assert (deleted.outbox, deleted.new_events) == (document.outbox, ())


def test_runs_are_told_apart_though_worker_and_attempts_are_the_same() -> None:
    first = running()
    second = first.handed_back(NOW, NOW).claimed("worker", NOW)
    assert (first.worker_id, first.attempts) == (second.worker_id, second.attempts)
    assert first.is_run_of(first)
    assert not second.is_run_of(first)
    for ended in (first.handed_back(NOW, NOW), first.cancelled(NOW), first.succeeded(IMAGE, "url", NOW)):
        assert (ended.worker_id, ended.claim) == (None, None)
        assert not ended.is_run_of(first)


def test_an_image_is_deleted_once_and_then_purged_once() -> None:
    done = running().succeeded(IMAGE, "url", NOW)
    with pytest.raises(ValueError, match="not deleted"):
        done.image_purged(LATER)
    deleted = done.image_deleted(NOW)
    assert (deleted.image_deleted_at, deleted.image_purged_at) == (NOW_IN_MILLISECONDS, None)
    with pytest.raises(ValueError, match="deleted already"):
        deleted.image_deleted(LATER)
    purged = deleted.image_purged(LATER)
    assert (purged.image_deleted_at, purged.image_purged_at) == (NOW_IN_MILLISECONDS, purged.updated_at)
    assert purged.revision == done.revision + 2
    assert (purged.status, purged.image, purged.image_id) == (Status.DONE, IMAGE, done.image_id)
    for again in (purged.image_deleted, purged.image_purged):
        with pytest.raises(ValueError, match="already"):
            again(LATER)


# --- the value itself -------------------------------------------------------------------------------------------------


def test_the_storage_key_depends_on_the_id_alone() -> None:
    document = make_import()
    key = "f6/f60ae96b-2681-4885-8437-356e9fae9f6e"
    assert document.storage_key == key
    running = document.claimed("worker", NOW)
    assert running.storage_key == key
    assert running.succeeded(IMAGE, "url", NOW).storage_key == IMAGE.key, "where it was stored, it is"


def test_parameters_are_in_no_repr() -> None:
    assert "s3cr3t" not in repr(make_import(headers={"Authorization": "s3cr3t"}))


@pytest.mark.parametrize("value", [make_import(), FAILURE, IMAGE])
def test_values_are_frozen(value: Import | Failure | Image) -> None:
    for field in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)


def test_an_image_of_a_later_version_is_read_without_what_this_one_does_not_know() -> None:
    kept = {**asdict(IMAGE), "notes": ["tail_missing"], "a field of a later version": {"x": 1}}
    assert Image.of(kept) == replace(IMAGE, notes=("tail_missing",))
    del kept["orientation"]
    assert Image.of(kept).orientation is None, "an earlier version wrote it"


def test_images_of_an_earlier_version_are_deleted_with_their_import() -> None:
    kept = asdict(replace(IMAGE, is_kept=True))
    assert Image.of(kept).is_kept
    del kept["is_kept"]
    assert not Image.of(kept).is_kept
