"""Cases of the document store suite: workers and the operators who drain them meet in the records of every store."""

from datetime import timedelta

import pytest

from lading.service.documents import DocumentStore
from lading.service.imports.fleet import fleet
from lading.service.models import Status
from lading.service.work.leases import Leases
from lading.service.work.orders.crew import Crew, Identity, State, UnknownWorker
from lading.service.work.orders.presence import Presence
from tests.conformance.documents.cases.base import SECOND, DocumentStoreCases, SettableClock, add_all, make_import

LEASE = 30 * SECOND


def presence_of(store: DocumentStore, *, lets_go: bool = True, lease: timedelta = LEASE) -> Presence:
    async def let_go() -> bool:
        return lets_go

    return Presence(store, Identity("worker", "1.0"), lease, lambda: None, let_go)


class CrewCases(DocumentStoreCases):
    """Workers and operators."""

    @pytest.mark.gen_test
    async def test_a_worker_is_drained_says_that_it_is_idle_and_is_resumed(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            crew, presence = Crew(store), presence_of(store)
            worker_id = presence.identity.id
            await presence.look()
            with pytest.raises(UnknownWorker):
                await crew.drain(worker_id, clock.now())
            await presence.beat()
            drained = await crew.drain(worker_id, clock.now())
            assert (drained.state, presence.state) == (State.DRAINING, State.WORKING)
            assert await crew.get(worker_id) == drained
            # A heartbeat at the same time does not undo what the operator wrote.
            await presence.beat()
            assert (await crew.get(worker_id)).state is State.DRAINING
            await presence.look()
            assert [(await crew.get(worker_id)).state, presence.state] == [State.DRAINED] * 2
            assert (await crew.get(worker_id)).identity == presence.identity
            await crew.resume(worker_id)
            await presence.beat()
            assert [(await crew.get(worker_id)).state, presence.state] == [State.WORKING] * 2
            await presence.end()
            with pytest.raises(UnknownWorker):
                await crew.resume(worker_id)

    @pytest.mark.gen_test
    async def test_a_worker_is_alive_for_as_long_as_it_says_so_and_keeps_its_orders(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            crew, presence = Crew(store), presence_of(store, lets_go=False)
            worker_id = presence.identity.id
            await presence.beat()
            await crew.drain(worker_id, clock.now())
            await presence.look()
            clock.move(LEASE - SECOND)
            await presence.beat()
            clock.move(LEASE - SECOND)
            assert [one.identity.id for one in await crew.all()] == [worker_id]
            clock.move(2 * SECOND)
            assert await crew.all() == []
            with pytest.raises(UnknownWorker):
                await crew.get(worker_id)
            # It was only frozen: whether its record is still there or not, it is back, and drained.
            await presence.beat()
            assert (await crew.get(worker_id)).state is State.DRAINING
            clock.move(2 * LEASE)
            assert await store.records.drop_expired(10) == 1
            await presence.beat()
            assert (await crew.get(worker_id)).state is State.DRAINING

    @pytest.mark.gen_test
    async def test_each_worker_is_told_with_the_imports_that_it_holds(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            first, second = presence_of(store), presence_of(store)
            await first.beat()
            await second.beat()
            leases = Leases(store, LEASE, first.identity.id)
            stranger = Leases(store, LEASE)
            await add_all(store, [make_import(clock) for _ in range(6)])
            mine = [one.id for one in await store.claim((await leases.current()).worker_id, 2)]
            leases.retire()
            mine += [one.id for one in await store.claim((await leases.current()).worker_id, 1)]
            await store.claim((await stranger.current()).worker_id, 2)
            found = await fleet(store, clock)
            held = {post.member.identity.id: sorted(entry.id for entry in post.held) for post in found.posts}
            assert held == {first.identity.id: sorted(mine), second.identity.id: []}
            assert (found.others, found.is_whole) == (2, True)
            assert {entry.status for post in found.posts for entry in post.held} == {Status.RUNNING}
            assert all(post.lease_seconds <= LEASE.total_seconds() for post in found.posts)
