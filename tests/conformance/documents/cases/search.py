"""Cases of the document store suite: finding imports."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest

from lading.service.documents import DocumentStore
from lading.service.documents.search import MAX_PAIR_LENGTH, MAX_PAIRS, Album, AlbumPage, Filter, Position
from lading.service.models import Import, Status
from tests.conformance.documents.cases.base import (
    FAILURE,
    IMAGE,
    LEASE,
    SECOND,
    DocumentStoreCases,
    SettableClock,
    add_all,
    make_import,
    make_imports,
    stored,
)

EVERYTHING = Filter("organization")


def in_album(album_id: str, **more: Any) -> Mapping[str, Any]:
    return {"url": "http://origin.example/image.png", "album_id": album_id, **more}


async def listed(store: DocumentStore, wanted: Filter, limit: int = 100) -> list[str]:
    """The ids of all pages, in their order."""
    ids: list[str] = []
    after: Position | None = None
    while True:
        page = await store.search.list(wanted, limit, after)
        assert len(page.documents) <= limit
        ids += [document.id for document in page.documents]
        if page.next is None:
            return ids
        assert after is None or page.next < after
        after = page.next


async def albums_listed(store: DocumentStore, limit: int, among: Collection[str] | None = None) -> list[Album]:
    """The albums of all pages, in their order."""
    found: list[Album] = []
    after: str | None = ""
    while after is not None:
        page = await store.search.albums("organization", limit, after, among)
        assert len(page.albums) <= limit
        found += page.albums
        after = page.next
    return found


async def add_in_turn(store: DocumentStore, clock: SettableClock, *changes: Mapping[str, Any]) -> list[Import]:
    """Imports that differ, each a second later than the one before."""
    documents = []
    for change in changes:
        clock.move(SECOND)
        documents.append(make_import(clock, **change))
        await store.add(documents[-1])
    return documents


class SearchCases(DocumentStoreCases):
    """What ``ImportSearch`` promises."""

    @pytest.mark.gen_test
    async def test_a_list_has_every_import_once_newest_first(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            same_moment = make_imports(clock, 3)
            await add_all(store, same_moment)
            later = await add_in_turn(store, clock, {}, {}, {"organization_id": "another"})
            expected = [later[1].id, later[0].id, *sorted((one.id for one in same_moment), reverse=True)]
            for limit in (1, 2, 3, 4, 5, 100):
                assert await listed(store, EVERYTHING, limit) == expected

    @pytest.mark.gen_test
    async def test_a_page_says_whether_there_is_more(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            assert (await store.search.list(EVERYTHING, 2)).next is None
            await add_all(store, make_imports(clock, 2))
            assert (await store.search.list(EVERYTHING, 2)).next is None
            page = await store.search.list(EVERYTHING, 1)
            assert page.next == Position(page.documents[0].created_at, page.documents[0].id)

    @pytest.mark.gen_test
    async def test_albums_come_once_in_order_with_what_they_hold(self) -> None:
        clock = SettableClock()
        ids = ["B", "a", "a b", "aa", "ä", "\U0001f40c", "\uffff"]
        async with self.opened(clock) as store:
            made = await add_in_turn(
                store,
                clock,
                *({"params": in_album(album)} for album in ids),
                {"params": in_album("a"), "status": Status.FAILED},
                {"params": in_album("a"), "deleted_at": clock.now()},
                {"params": in_album("gone"), "deleted_at": clock.now()},
                {"params": in_album("another"), "organization_id": "another"},
                {},
            )
            newest = {one.album_id: one.created_at for one in made[: len(ids) + 1]}
            expected = [Album(album, 1 + (album == "a"), True, newest[album]) for album in sorted(ids, key=str.encode)]
            for limit in (1, 3, len(ids), 200):
                assert await albums_listed(store, limit) == expected
            some = {"aa", "none", "B", "gone", "another"}
            assert await albums_listed(store, 1, some) == [one for one in expected if one.album_id in some]
            assert await albums_listed(store, 5, ()) == []
            assert await store.search.albums("another", 1) == AlbumPage(
                [Album("another", 1, True, made[-2].created_at)], None
            )

    @pytest.mark.gen_test
    async def test_what_is_added_meanwhile_disturbs_no_page(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            documents = await add_in_turn(store, clock, {}, {}, {})
            page = await store.search.list(EVERYTHING, 2)
            await add_in_turn(store, clock, {}, {})
            rest = await store.search.list(EVERYTHING, 2, page.next)
            assert [one.id for one in (*page.documents, *rest.documents)] == [one.id for one in reversed(documents)]

    @pytest.mark.gen_test
    async def test_every_filter_and_all_together(self) -> None:
        clock = SettableClock()
        start = clock.now()
        async with self.opened(clock) as store:
            a, b, c, d, e = await add_in_turn(
                store,
                clock,
                {"params": in_album("one", metadata={"order": "7", "$set": "a.b", "n": 5, "deep": {"order": "7"}})},
                {"params": in_album("two", metadatas={"order": "7"}), "batch_id": "batch"},
                {"params": in_album("one", metadata={"order": "70"}), "batch_id": "batch"},
                {"params": {"metadata": {"order": "7"}}, "status": Status.WAITING},
                {"params": in_album("one", metadata={"order": "7"}), "status": Status.FAILED, "batch_id": "batch"},
            )
            cases: list[tuple[dict[str, Any], list[Import]]] = [
                ({"albums": ("one",)}, [e, c, a]),
                ({"albums": ("two", "one", "three")}, [e, c, b, a]),
                ({"albums": ()}, []),
                ({"status": Status.QUEUED}, [c, b, a]),
                ({"status": Status.DONE}, []),
                ({"status": Status.FAILED, "albums": ("one",)}, [e]),
                ({"status": Status.FAILED, "albums": ("two", "three")}, []),
                ({"metadata": ("order", "7")}, [e, d, b, a]),
                ({"metadata": ("$set", "a.b")}, [a]),
                ({"metadata": ("n", "5")}, []),
                ({"metadata": ("order", "7"), "status": Status.QUEUED, "albums": ("two",)}, [b]),
                ({"batch_id": "batch"}, [e, c, b]),
                ({"batch_id": "batch", "status": Status.QUEUED}, [c, b]),
                ({"batch_id": "batch", "metadata": ("order", "7")}, [e, b]),
                ({"created_from": b.created_at}, [e, d, c, b]),
                ({"created_before": b.created_at}, [a]),
                ({"created_from": b.created_at, "created_before": d.created_at, "albums": ("one",)}, [c]),
                ({"created_from": start, "created_before": start}, []),
            ]
            for conditions, expected in cases:
                for limit in (1, 100):
                    found = await listed(store, Filter("organization", **conditions), limit)
                    assert found == [one.id for one in expected], conditions
            assert await listed(store, Filter("another", batch_id="batch")) == []

    @pytest.mark.gen_test
    async def test_a_page_looks_at_a_bounded_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("memory.search", "mongo.search", "sqlite.search"):
            monkeypatch.setattr(f"lading.service.documents.{module}.MAX_EXAMINED", 3)
        clock = SettableClock()
        async with self.opened(clock) as store:
            rare = await add_in_turn(
                store, clock, {"params": in_album("rare")}, *[{}] * 7, {"params": in_album("rare")}
            )
            wanted = Filter("organization", albums=("rare", "none"))
            assert await listed(store, wanted) == [rare[-1].id, rare[0].id]
            assert await listed(store, replace(wanted, albums=("none", "never"))) == []

    @pytest.mark.gen_test
    async def test_metadata_counts_as_far_as_it_is_bounded(self) -> None:
        clock = SettableClock()
        long = "x" * MAX_PAIR_LENGTH
        metadata = {"long": long, "fits": long[4:], **{f"n{number}": "yes" for number in range(MAX_PAIRS)}}
        async with self.opened(clock) as store:
            document = make_import(clock, params={"metadata": metadata})
            await store.add(document)
            found = {
                name: await listed(store, Filter("organization", metadata=(name, value)))
                for name, value in metadata.items()
            }
            assert found.pop("long") == []
            assert found.pop(f"n{MAX_PAIRS - 1}") == []
            assert set(map(tuple, found.values())) == {(document.id,)}

    @pytest.mark.gen_test
    async def test_deleted_and_removed_imports_are_not_listed(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            params = in_album("album", metadata={"a": "b"})
            gone, there = await add_in_turn(store, clock, *[{"params": params, "batch_id": "batch"}] * 2)
            deleted = gone.deleted(clock.now())
            assert await store.update(deleted)
            filters = [
                EVERYTHING,
                Filter("organization", albums=("album",)),
                Filter("organization", metadata=("a", "b")),
                Filter("organization", batch_id="batch"),
            ]
            for wanted in filters:
                assert await listed(store, wanted) == [there.id]
            assert await store.search.batch_counts("batch") == {(Status.QUEUED, None): 1}
            assert not await store.remove(gone)
            assert await store.remove(deleted)
            assert not await store.remove(deleted)
            assert await store.get(gone.id) is None
            for wanted in filters:
                assert await listed(store, wanted) == [there.id]

    @pytest.mark.gen_test
    async def test_images_are_found_by_their_bytes_and_source(self) -> None:
        clock = SettableClock()
        image = replace(IMAGE, source="5" * 64, etag='W/"é\'"')
        async with self.opened(clock) as store:
            done = {"status": Status.DONE, "image": image, "image_id": "i"}
            early, late, other = await add_in_turn(
                store,
                clock,
                {"params": in_album("one"), **done},
                {"params": in_album("two"), **done},
                {**done, "organization_id": "another"},
            )
            await add_in_turn(store, clock, {"status": Status.DONE, "image_id": "i", "duplicate": image}, {})
            search = store.search
            assert await search.by_sha256("organization", image.sha256) == early
            assert await search.by_sha256("organization", image.sha256, ("zero", "two")) == late
            assert await search.by_sha256("organization", image.sha256, ("three",)) is None
            assert await search.by_sha256("organization", image.sha256, ("two", "one")) == early
            assert await search.by_sha256("organization", image.sha256, ()) is None
            assert await search.by_sha256("organization", "0" * 64) is None
            assert await search.by_sha256("another", image.sha256) == other
            assert await search.by_source("organization", "5" * 64) == late
            assert await search.by_source("organization", "5" * 64, ("one",)) == early
            assert await search.by_source("organization", "6" * 64) is None
            await store.update(late.image_deleted(clock.now()))
            await store.update(early.deleted(clock.now()))
            assert await search.by_sha256("organization", image.sha256) is None
            assert await search.by_source("organization", "5" * 64) is None

    @pytest.mark.gen_test
    async def test_an_image_belongs_to_the_import_that_stored_it(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            original = make_import(clock, status=Status.DONE, image=IMAGE, image_id="the-image")
            running = make_import(clock, status=Status.RUNNING, worker_id="w")
            await add_all(store, [running, original])
            # Earlier versions gave duplicates the id of the image that they share.
            duplicate = replace(running.duplicated(IMAGE, "url", clock.now()), image_id="the-image")
            assert await store.update(duplicate)
            assert await store.get(running.id) == duplicate
            assert await store.get_by_image("the-image") == original
            assert await store.stored_bytes("organization") == IMAGE.byte_size
            assert await store.count_images_in("local") == 1

    @pytest.mark.gen_test
    async def test_a_batch_is_counted_by_state_and_code(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            other = replace(FAILURE, code="not_found")
            failed = {"status": Status.FAILED, "batch_id": "batch"}
            await add_in_turn(
                store,
                clock,
                {**failed, "error": FAILURE},
                {**failed, "error": FAILURE},
                {**failed, "error": other},
                {"error": FAILURE, "batch_id": "batch"},
                {"status": Status.DONE, "batch_id": "batch"},
                {"batch_id": "another"},
            )
            assert await store.search.batch_counts("batch") == {
                (Status.FAILED, "fetch_timeout"): 2,
                (Status.FAILED, "not_found"): 1,
                (Status.QUEUED, None): 1,
                (Status.DONE, None): 1,
            }
            assert await store.search.batch_counts("none") == {}

    @pytest.mark.gen_test
    async def test_what_runs_under_a_lease(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_all(store, make_imports(clock, 3))
            for worker_id in ("a", "b", "c"):
                await store.register(worker_id, LEASE)
            held = {worker_id: (await store.claim(worker_id, 1))[0] for worker_id in ("a", "b", "c")}
            assert await store.search.held_by(["a", "c"]) == {held["a"].id, held["c"].id}
            await store.update(held["a"].cancelled(clock.now()))
            assert await store.search.held_by(["a", "b"]) == {held["b"].id}
            assert await store.search.held_by([]) == frozenset()

    @pytest.mark.gen_test
    async def test_waiting_imports_expire_in_their_order(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            waiting = {"status": Status.WAITING, "params": {}}
            late, early, _ = await add_in_turn(
                store,
                clock,
                {**waiting, "run_at": clock.now() + 9 * SECOND},
                {**waiting, "run_at": clock.now() + 5 * SECOND},
                {"run_at": clock.now()},
            )
            ids = [one.id for one in await store.search.expired_waiting(late.run_at, 10)]
            assert ids == [early.id, late.id]
            assert [one.id for one in await store.search.expired_waiting(late.run_at, 1)] == [early.id]
            assert await store.search.expired_waiting(early.run_at - SECOND, 10) == []
            await store.update(early.expired(FAILURE, clock.now()))
            assert [one.id for one in await store.search.expired_waiting(late.run_at, 10)] == [late.id]

    @pytest.mark.gen_test
    async def test_an_outbox_is_found_until_it_is_announced(self) -> None:
        clock = SettableClock()
        event = {"id": "evt_1", "data": {"$set": {"a.b": "\0é"}}}
        async with self.opened(clock) as store:
            document, _ = await add_in_turn(store, clock, {"outbox": (event,), "trace": ({"$a.b": 1},)}, {})
            assert await store.search.with_outbox(10) == [document]
            await store.announced(document.id, ["evt_1"])
            assert await store.search.with_outbox(10) == []
            assert await stored(store, document) == replace(document, outbox=())

    @pytest.mark.parametrize("status", [Status.DONE, Status.FAILED, Status.CANCELLED])
    @pytest.mark.gen_test
    async def test_ended_imports_are_found_by_their_age_the_oldest_first(self, status: Status) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            old = await add_in_turn(store, clock, *[{"status": status}] * 3)
            same = [replace(old[2], id=f"{old[2].id[:-1]}{last}") for last in "\x01~"]  # of the same moment
            await add_all(store, [one for one in same if one.id != old[2].id])
            await add_in_turn(store, clock, *({"status": other} for other in Status if other is not status))
            (deleted,) = await add_in_turn(store, clock, {"status": status})
            await store.update(deleted.deleted(deleted.updated_at))
            (young,) = await add_in_turn(store, clock, {"status": status})
            expected = sorted([*old, *same], key=lambda one: (one.updated_at, one.id))
            assert await store.search.ended(status, young.updated_at, 10) == expected
            for limit in (1, 2, 3):
                walked: list[Import] = []
                after: Position | None = None
                while page := await store.search.ended(status, young.updated_at, limit, after):
                    assert len(page) <= limit
                    walked += page
                    after = Position(page[-1].updated_at, page[-1].id)
                assert walked == expected
            assert not await store.search.ended(status, old[0].updated_at, 10)
            assert await store.search.ended(status, old[1].updated_at, 10, Position(young.updated_at, "")) == []
