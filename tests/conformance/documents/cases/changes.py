"""Cases of the document store suite: an organisation's changes in the order in which they were committed."""

import asyncio
from datetime import timedelta

import pytest

from lading.service.documents import DocumentStore
from lading.service.documents.positions import OVERLAP
from lading.service.documents.search import Changed
from lading.service.models import Import
from tests.conformance.documents.cases.base import (
    LEASE,
    SECOND,
    DocumentStoreCases,
    SettableClock,
    add_all,
    make_import,
    make_imports,
    stored,
)

HOUR = timedelta(hours=1)
NO_POSITIONS = [
    "x",
    "s",
    "s-1",
    "s1",
    "m",
    "m82",
    "m82" + "G" * 20,
    "l",
    "l1-.",
    "-",
    "1-",
    "1-\0",
    "1-é",
    "9" * 99 + "-a",
]
FOREIGN = ["s" + "9" * 18, "m82FFFFFFFF000000012B0229296E04", "m82" + "0" * 400, "m82" + "F" * 400]
"""Written as a position, but of another database, or of a time that has not come."""


async def changed(store: DocumentStore, position: str, limit: int = 100) -> Changed:
    found = await store.search.changed_since("organization", position, limit)
    assert len(found.changes) <= limit
    positions = [change.position for change in found.changes]
    assert positions == sorted(set(positions))
    assert all(one <= found.position for one in positions)
    return found


async def present(store: DocumentStore) -> str:
    found = await changed(store, "")
    assert not found.changes
    return found.position


async def everything(store: DocumentStore, position: str, limit: int = 100) -> tuple[list[Import], str]:
    """What is found from a place on until nothing is, and the place then."""
    documents: list[Import] = []
    found = Changed((), position, has_more=True)
    while found.has_more:
        found = await changed(store, position, limit)
        assert not documents or (found.position >= position if not found.changes else found.position > position)
        documents += [change.document for change in found.changes]
        position = found.position
    return documents, position


class ChangesCases(DocumentStoreCases):
    """What ``ImportSearch.changed_since`` promises."""

    @pytest.mark.gen_test
    async def test_changes_come_in_the_order_of_their_commits(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            beginning = await present(store)
            documents = make_imports(clock, 3)
            for document in (*documents, make_import(clock, organization_id="another")):
                await store.add(document)
            assert (await everything(store, beginning))[0] == documents
            first, second, third = documents
            # Decided an hour ago, an hour ahead, and now.
            written = [
                second.cancelled(clock.now() - HOUR),
                third.cancelled(clock.now() + HOUR),
                first.cancelled(clock.now()),
            ]
            for document in written:
                assert await store.update(document)
            for limit in (1, 2, 3, 100):
                assert (await everything(store, beginning, limit))[0] == written
            found = await changed(store, beginning)
            for number, change in enumerate(found.changes, 1):
                assert (await everything(store, change.position))[0] == written[number:]
            assert not (await changed(store, found.position)).changes

    @pytest.mark.parametrize("paused", [5 * SECOND, HOUR, 1000 * HOUR], ids=str)
    @pytest.mark.gen_test
    async def test_what_was_decided_long_before_it_is_written_is_found(self, paused: timedelta) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            late, other = make_imports(clock, 2)
            await add_all(store, (late, other))
            decided = late.cancelled(clock.now())
            clock.move(paused)
            assert await store.update(other.cancelled(clock.now()))
            position = await present(store)
            assert await store.update(decided)
            assert (await everything(store, position))[0] == [decided]

    @pytest.mark.gen_test
    async def test_a_clock_ahead_hides_nothing_of_others(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            ahead, others = make_import(clock), make_imports(clock, 3)
            await add_all(store, (ahead, *others))
            position = await present(store)
            assert await store.update(ahead.cancelled(clock.now() + HOUR))
            documents, position = await everything(store, position)
            assert [one.id for one in documents] == [ahead.id]
            for other in others:
                assert await store.update(other.cancelled(clock.now()))
                documents, position = await everything(store, position)
                assert [one.id for one in documents] == [other.id]

    @pytest.mark.gen_test
    async def test_every_kind_of_write_has_a_place(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            position = await present(store)
            document = make_import(clock)
            await store.add(document)
            seen, position = await everything(store, position)
            await store.register("worker", LEASE)
            claimed = await store.claim("worker", 1)
            more, position = await everything(store, position)
            assert (seen, more) == ([document], claimed)
            clock.move(2 * LEASE)
            assert await store.recover(10) == 1
            assert (await everything(store, position))[0] == [await stored(store, document)]

    @pytest.mark.gen_test
    async def test_announcing_is_no_change(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            document = make_import(clock, outbox=({"id": "evt_1"}, {"id": "evt_2"}))
            await store.add(document)
            position = await present(store)
            await store.announced(document.id, ["evt_1"])
            assert (await everything(store, position))[0] == []
            cancelled = (await stored(store, document)).cancelled(clock.now())
            assert await store.update(cancelled)
            await store.announced(document.id, ["evt_2"])
            found = await changed(store, position)
            assert [change.document for change in found.changes] == [await stored(store, document)]

    @pytest.mark.gen_test
    async def test_many_written_together_have_places_of_their_own(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            beginning = await present(store)
            documents = [*make_imports(clock, 70), *make_imports(clock, 30, organization_id="another")]
            await add_all(store, documents)
            await asyncio.gather(*(store.update(one.cancelled(clock.now())) for one in documents[10:90]))
            for limit in (7, 32, 1000):
                found, _ = await everything(store, beginning, limit)
                assert len(found) == 70
                assert {one.id: one for one in found} == {one.id: await stored(store, one) for one in documents[:70]}

    @pytest.mark.gen_test
    async def test_a_removal_gives_no_place_away(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            older, newest, unseen = make_imports(clock, 3)
            await add_all(store, (older, newest))
            deleted = newest.deleted(clock.now())
            assert await store.update(deleted)
            position = await present(store)
            assert await store.remove(deleted)
            assert await present(store) >= position
            assert not (await changed(store, position)).changes
            await store.add(unseen)
            assert (await everything(store, position))[0] == [unseen]
            assert await store.remove(await stored(store, unseen))
            assert await store.remove(await stored(store, older))
            position = await present(store)
            await store.add(older)
            assert (await everything(store, position))[0] == [older]

    @pytest.mark.gen_test
    async def test_deleted_imports_are_passed_by(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            position = await present(store)
            there, gone = make_imports(clock, 2)
            await add_all(store, (there, gone))
            assert await store.update(gone.deleted(clock.now()))
            documents, after = await everything(store, position)
            assert documents == [there]
            assert (await changed(store, after)).position >= after

    @pytest.mark.gen_test
    async def test_what_is_no_position_is_the_present(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_all(store, make_imports(clock, 3))
            position = await present(store)
            for text in NO_POSITIONS:
                found = await changed(store, text)
                assert (list(found.changes), found.position >= position) == ([], True), text

    @pytest.mark.parametrize("position", FOREIGN)
    @pytest.mark.gen_test
    async def test_a_position_of_another_database_keeps_nothing_back(self, position: str) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_all(store, make_imports(clock, 3))
            _, position = await everything(store, position)
            late = make_import(clock)
            await store.add(late)
            assert (await everything(store, position))[0] == [late]

    @pytest.mark.gen_test
    async def test_a_position_of_an_earlier_version_is_gone_on_with(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            documents = []
            for _ in range(6):
                documents.append(make_import(clock))
                await store.add(documents[-1])
                clock.move(OVERLAP)
            told = documents[3]
            milliseconds = round(told.updated_at.timestamp() * 1000)
            for limit in (1, 2, 100):
                found, position = await everything(store, f"{milliseconds}-{told.id}", limit)
                assert found == documents[2:], "all since then, and what overlaps"
            assert await everything(store, f"{milliseconds + 10**9}-{told.id}") == ([], position)
            assert (await everything(store, "0-0"))[0] == documents
            late = make_import(clock)
            await store.add(late)
            assert (await everything(store, position))[0] == [late]

    @pytest.mark.gen_test
    async def test_who_reads_while_others_write_finds_the_last_state_of_each(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            position = await present(store)
            documents = make_imports(clock, 60)
            found: dict[str, Import] = {}

            async def write(document: Import) -> None:
                await store.add(document)
                claimed = document.claimed("worker", clock.now())
                assert await store.update(claimed)
                assert await store.update(claimed.cancelled(clock.now()))

            writing = asyncio.gather(*map(write, documents))
            while not writing.done():
                await asyncio.sleep(0)
                more, position = await everything(store, position, 7)
                found |= {one.id: one for one in more}
            await writing
            more, _ = await everything(store, position)
            found |= {one.id: one for one in more}
            assert found == {one.id: await stored(store, one) for one in documents}
