"""Bytes that a client sends, and what happens to their import meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from lading.service.errors.catalogue import ApiError
from lading.service.imports.uploads.receiving import RETRY_AFTER_UPLOADS, Receiving
from lading.service.models import Import, Status
from lading.service.storages.spool import Spool
from lading.service.webhooks.outbox import Outbox
from lading.service.work.changes import Changes
from tests.support.clock import SettableClock
from tests.support.core import Core
from tests.support.plugins.scripted import make_import, pieces, touched, until

Ends = Callable[[Import, datetime], Import]


def receiving(core: Core, clock: SettableClock, lease: float = 30.0) -> Receiving:
    imports: Any = None  # asked for imports that a request names
    return Receiving(
        imports=imports,
        store=core.store,
        importer=core.importer,
        spools=core.importer._spools,
        quotas=core.quotas,
        outbox=Outbox(),
        removal=core.removal,
        changes=Changes(),
        clock=clock,
        rng=random.Random(1),
        concurrency=4,
        lease=timedelta(seconds=lease),
    )


@pytest.mark.gen_test
@pytest.mark.parametrize("ends", [Import.deleted, Import.cancelled])
async def test_an_import_that_ended_while_its_bytes_came_stores_none(ends: Ends) -> None:
    """A body may come for hours: who removes what was stored may have looked long before its end."""
    clock = SettableClock()
    core = Core(clock=clock)
    async with core.opened():
        params = {"controller": "api/v1/imports", "action": "create"}
        document = make_import(clock, params=params, status=Status.WAITING, host="")
        await core.store.add(document)
        receiver = receiving(core, clock)
        with core.importer._spools.open() as spool:
            await spool.fill(pieces(b"an image"))
            async with receiver.reception(document) as reception:
                running = await core.get(document)
                assert await core.store.update(ends(running, clock.now()))
                with pytest.raises(ApiError) as caught:
                    await receiver.finish(reception, spool)
            assert caught.value.code == "content_not_expected"
        assert core.backend._objects == {}
        assert not (await core.get(document)).is_stopping, "nothing of it is left to be removed"


@asynccontextmanager
async def received(core: Core, clock: SettableClock) -> AsyncIterator[tuple[Receiving, Import, Spool]]:
    """An import that waits, and bytes for it."""
    async with core.opened():
        params = {"controller": "api/v1/imports", "action": "create"}
        document = make_import(clock, params=params, status=Status.WAITING, host="")
        await core.store.add(document)
        with core.importer._spools.open() as spool:
            await spool.fill(pieces(b"an image"))
            yield receiving(core, clock), document, spool


@pytest.mark.gen_test
async def test_a_write_of_others_that_lets_an_upload_run_leaves_nothing_behind() -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, spool):
        async with receiver.reception(document):
            assert await core.store.update(touched(await core.get(document)))
        assert (await core.get(document)).status is Status.WAITING
        async with receiver.reception(await core.get(document)) as reception:
            assert await core.store.update(touched(await core.get(document)))
            await receiver.finish(reception, spool)
        assert (await core.get(document)).status is Status.DONE
        assert not reception.lease.retired


@pytest.mark.gen_test
async def test_an_upload_that_runs_anew_under_the_same_lease_is_recovered() -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, spool):
        async with receiver.reception(document) as reception:
            running = await core.get(document)
            back = running.handed_back(clock.now(), clock.now())
            again = back.receiving(reception.lease.worker_id, clock.now())
            assert await core.store.update(back)
            assert await core.store.update(again)
            with pytest.raises(ApiError) as caught:
                await receiver.finish(reception, spool)
        assert (caught.value.code, caught.value.retry_after) == ("content_in_progress", RETRY_AFTER_UPLOADS)
        assert await core.get(document) == again
        assert reception.lease.retired
        await receiver._leases.beat()
        await core.store.recover(10)
        assert (await core.get(document)).status is Status.WAITING


@pytest.mark.gen_test
async def test_a_request_whose_lease_was_lost_is_told_to_come_again() -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, spool):
        async with receiver.reception(document) as reception:
            running = await core.get(document)
            assert await core.store.update(running.recovered(clock.now()))
            with pytest.raises(ApiError) as caught:
                await receiver.finish(reception, spool)
        assert (caught.value.code, caught.value.retry_after) == ("content_in_progress", RETRY_AFTER_UPLOADS)
        assert (await core.get(document)).status is Status.WAITING


@pytest.mark.gen_test
async def test_an_upload_that_the_database_does_not_let_go_is_recovered_and_answered_as_it_ended() -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, _):
        around = receiver.reception(document)
        reception = await around.__aenter__()
        core.store.fault = lambda name, _: "before" if name == "update" else None
        failure = ApiError("content_missing")
        assert not await around.__aexit__(ApiError, failure, None), "it is raised, and no other"
        assert reception.lease.retired
        core.store.fault = lambda *_: None
        await receiver._leases.beat()
        await core.store.recover(10)
        assert (await core.get(document)).status is Status.WAITING


@pytest.mark.gen_test
async def test_no_error_ends_the_heartbeat_of_uploads() -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    async with core.opened():
        receiver = receiving(core, clock, lease=0.03)
        await receiver._leases.current()
        core.store.fault = lambda name, number: LookupError() if (name, number) == ("heartbeat", 1) else None
        with capture_logs() as logs:
            task = asyncio.create_task(receiver.run())
            await until(lambda: core.store.calls["heartbeat"] >= 2)
            task.cancel()
            await asyncio.wait({task})
        assert [line["event"] for line in logs] == ["the heartbeat of uploads failed unexpectedly"]
        assert core.store.leases == []


# --- stops ------------------------------------------------------------------------------------------------------------


async def ended(core: Core, clock: SettableClock, document: Import, ends: Ends) -> None:
    assert await core.store.update(ends(await core.get(document), clock.now()))


@pytest.mark.gen_test
@pytest.mark.parametrize("ends", [Import.deleted, Import.cancelled])
async def test_a_body_whose_import_ended_is_refused_and_the_import_settled_before_the_body_ends(ends: Ends) -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, spool):
        refused: list[ApiError] = []
        async with receiver.reception(document) as reception:
            reception.refuse = refused.append
            await receiver._receptions.stops.look()
            assert refused == [], "it is wanted"
            await ended(core, clock, document, ends)
            await receiver._receptions.stops.look()
            assert [error.code for error in refused] == ["content_not_expected"]
            assert not (await core.get(document)).is_stopping
            await receiver._receptions.stops.look()
            assert len(refused) == 1
            with pytest.raises(ApiError) as caught:
                await receiver.finish(reception, spool)
            assert caught.value.code == "content_not_expected"
        assert core.backend._objects == {}
        assert not reception.lease.held


@pytest.mark.gen_test
@pytest.mark.parametrize("is_saved", [False, True], ids=["while it is saved", "when it is saved"])
async def test_an_attempt_at_bytes_whose_import_is_cancelled_ends_and_leaves_nothing(
    is_saved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    begun = asyncio.Event()
    save = core.backend.save

    async def endless(*arguments: Any) -> None:
        if is_saved:
            await save(*arguments)
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(core.backend, "save", endless)
    async with received(core, clock) as (receiver, document, spool):

        async def receive() -> str:
            async with receiver.reception(document) as reception:
                with pytest.raises(ApiError) as caught:
                    await receiver.finish(reception, spool)
            return caught.value.code

        receiving = asyncio.create_task(receive())
        await begun.wait()
        assert bool(core.backend._objects) is is_saved
        await ended(core, clock, document, Import.cancelled)
        await receiver._receptions.stops.look()
        assert await receiving == "content_not_expected"
        cancelled = await core.get(document)
        assert (cancelled.is_stopping, core.backend._objects) == (False, {})
        assert not (await receiver._leases.current()).held
        monkeypatch.undo()
        assert await core.store.update(cancelled.retried(clock.now(), clock.now()))
        async with receiver.reception(await core.get(document)) as reception:
            assert (await receiver.finish(reception, spool)).status is Status.DONE


@pytest.mark.gen_test
async def test_a_stopped_reception_ends_beside_a_later_one_of_the_same_import() -> None:
    """The first body still comes while the import is retried and its bytes are sent again."""
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, spool):
        first = receiver.reception(document)
        await first.__aenter__()
        await ended(core, clock, document, Import.cancelled)
        await receiver._receptions.stops.look()
        assert await core.store.update((await core.get(document)).retried(clock.now(), clock.now()))
        async with receiver.reception(await core.get(document)) as reception:
            await first.__aexit__(None, None, None)
            assert list(reception.lease.held) == [document.id]
            await receiver._receptions.stops.look()
            assert (await receiver.finish(reception, spool)).status is Status.DONE
        assert not reception.lease.held
        assert not reception.lease.retired


@pytest.mark.gen_test
async def test_the_object_of_an_upload_whose_result_was_not_written_goes_when_the_import_ends() -> None:
    """The database was away when the result was written, and back when the import was handed back."""
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, spool):
        core.store.fault = lambda name, number: "before" if (name, number) == ("update", 2) else None
        async with receiver.reception(document) as reception:
            with pytest.raises(ApiError) as caught:
                await receiver.finish(reception, spool)
        assert caught.value.code == "documents_unavailable"
        waiting = await core.get(document)
        assert (waiting.status, len(core.backend._objects)) == (Status.WAITING, 1)
        await ended(core, clock, document, Import.cancelled)
        await core.removal.settle(await core.get(document))
        assert core.backend._objects == {}


# --- two requests for one import --------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("is_retired", [False, True], ids=["present lease", "retired lease"])
async def test_a_request_that_loses_the_import_takes_nothing_from_the_request_that_has_it(is_retired: bool) -> None:
    """Both read that the import waits. The reception keeps its import, and cancelled uploads are stopped beside it."""
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, spool):
        other = make_import(clock, params=document.params, status=Status.WAITING, host="")
        await core.store.add(other)
        async with receiver.reception(document) as reception:
            with pytest.raises(ApiError) as caught:
                async with receiver.reception(document):
                    pass
            assert caught.value.code == "content_in_progress"
            refused: list[ApiError] = []
            async with receiver.reception(other) as cancelled:
                cancelled.refuse = refused.append
                await ended(core, clock, other, Import.cancelled)
                await receiver._receptions.stops.look()
                assert [error.code for error in refused] == ["content_not_expected"]
            reception.lease.retired = is_retired
            await receiver._leases.beat()
            assert (await receiver.finish(reception, spool)).status is Status.DONE
        assert not reception.lease.is_needed


@pytest.mark.gen_test
async def test_a_lease_under_which_an_import_begins_is_not_released() -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, spool):
        lease = await receiver._leases.current()
        update = core.store.update

        async def slow(document: Import) -> bool:
            core.store.update = update  # type: ignore[method-assign]
            is_written = await update(document)
            lease.retired = True  # through another import, whose result was not written
            await receiver._leases.beat()
            await core.store.recover(10)
            return is_written

        core.store.update = slow  # type: ignore[method-assign]
        async with receiver.reception(document) as reception:
            assert (await receiver.finish(reception, spool)).status is Status.DONE


@pytest.mark.gen_test
async def test_a_stopped_reception_frees_its_lease_beside_a_later_reception_under_another_lease() -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    async with received(core, clock) as (receiver, document, spool):
        first = receiver.reception(document)
        stopped = await first.__aenter__()
        await ended(core, clock, document, Import.cancelled)
        await receiver._receptions.stops.look()
        assert await core.store.update((await core.get(document)).retried(clock.now(), clock.now()))
        stopped.lease.retired = True
        async with receiver.reception(await core.get(document)) as reception:
            await first.__aexit__(None, None, None)
            assert not stopped.lease.held
            assert reception.lease.held
            assert (await receiver.finish(reception, spool)).status is Status.DONE
