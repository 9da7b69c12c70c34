"""What becomes of a claimed import is written once, or it is known whose the import is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from lading.service.documents import StoreUnavailable
from lading.service.models import Failure, Image, Import, Status
from lading.service.webhooks.outbox import Outbox
from lading.service.work.results import MISSES, Result, ResultNotWritten
from tests.support.clock import SettableClock
from tests.support.core import ScriptedStore
from tests.support.plugins.scripted import make_import, touched

FAILURE = Failure("origin_not_found", "It is not there.", retryable=False)
IMAGE = Image("PNG", "image/png", 1, 1, 1, 1, "0" * 64, "local", "a")


class CountedOutbox(Outbox):
    """Counts what is written; an event for each transition."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []

    async def with_event(self, before: Import, after: Import) -> Import:
        return replace(after, new_events=({"id": f"evt_{after.revision}"},))

    def written(self, before: Import, after: Import) -> None:
        assert before.revision < after.revision
        self.told.append(after.revision)


class Desk:
    """A claimed import."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.store = ScriptedStore(self.clock)
        self.outbox = CountedOutbox()

    async def claim(self) -> Import:
        await self.store.open()
        await self.store.add(make_import(self.clock))
        await self.store.register("worker", timedelta(seconds=30))
        return await self.claim_again()

    async def claim_again(self) -> Import:
        (document,) = await self.store.claim("worker", 1)
        return document

    async def write(self, *documents: Import) -> None:
        for document in documents:
            assert await self.store.update(document)

    def result(self, claimed: Import, transition: Callable[[Import], Import] | None = None) -> Result:
        done: Callable[[Import], Import] = lambda one: one.succeeded(IMAGE, "url", self.clock.now())  # noqa: E731
        return Result(self.store, self.outbox, claimed, transition or done)

    async def stored(self) -> Import:
        (document,) = self.store.imports
        return document

    def lose_the_answer(self) -> None:
        number = self.store.calls["update"] + 1
        self.store.fault = lambda name, count: "after" if (name, count) == ("update", number) else None


@pytest.mark.gen_test
async def test_a_transition_is_made_again_of_what_others_have_written() -> None:
    desk = Desk()
    claimed = await desk.claim()
    await desk.write(touched(claimed), replace(touched(touched(claimed)), trace=({"by": "others"},)))
    written = await desk.result(claimed).write()
    assert written is not None
    stored = await desk.stored()
    assert (stored.status, stored.revision, stored.trace) == (Status.DONE, 4, ({"by": "others"},))
    assert (stored.outbox, desk.outbox.told) == (({"id": "evt_4"},), [4])


@pytest.mark.gen_test
@pytest.mark.parametrize("end", [Import.cancelled, Import.recovered, Import.deleted])
async def test_an_import_of_others_is_left_to_them(end: Callable[..., Import]) -> None:
    desk = Desk()
    claimed = await desk.claim()
    taken = end(claimed, desk.clock.now())
    await desk.write(taken)
    assert await desk.result(claimed).write() is None
    assert (await desk.stored(), desk.outbox.told) == (taken, [])
    if taken.status is Status.QUEUED:
        await desk.store.register("other", timedelta(seconds=30))
        (running,) = await desk.store.claim("other", 1)
        assert await desk.result(claimed).write() is None
        assert await desk.stored() == running


@pytest.mark.gen_test
async def test_an_import_that_is_gone_is_left() -> None:
    desk = Desk()
    claimed = await desk.claim()
    assert await desk.store.remove(claimed)
    assert await desk.result(claimed).write() is None


@pytest.mark.gen_test
async def test_another_run_under_the_same_lease_is_no_result_s_to_end() -> None:
    desk = Desk()
    claimed = await desk.claim()
    await desk.write(claimed.handed_back(desk.clock.now(), desk.clock.now()))
    again = await desk.claim_again()
    with pytest.raises(ResultNotWritten):
        await desk.result(claimed).write()
    assert await desk.stored() == again


@pytest.mark.gen_test
async def test_who_keeps_losing_gives_up() -> None:
    desk = Desk()
    claimed = await desk.claim()

    found = desk.store.get

    async def get(import_id: str) -> Import | None:
        document = await found(import_id)
        assert document is not None
        desk.store._imports[document.id] = touched(document)
        return document

    desk.store.get = get  # type: ignore[method-assign]
    desk.store._imports[claimed.id] = touched(claimed)
    with pytest.raises(ResultNotWritten):
        await desk.result(claimed).write()
    assert desk.store.calls["update"] == MISSES


# --- the answer is lost -----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("is_announced", [False, True])
async def test_what_was_written_is_known_again(is_announced: bool) -> None:
    desk = Desk()
    result = desk.result(await desk.claim())
    desk.lose_the_answer()
    with pytest.raises(StoreUnavailable):
        await result.write()
    stored = await desk.stored()
    assert stored.status is Status.DONE
    if is_announced:
        await desk.store.announced(stored.id, ["evt_2"])
    written = await result.write()
    assert written is not None
    assert written.image_id == stored.image_id == (await desk.stored()).image_id
    assert (written.revision, desk.outbox.told) == (2, [2])


@pytest.mark.gen_test
async def test_what_others_have_written_alike_is_not_taken_for_the_result() -> None:
    desk = Desk()
    claimed = await desk.claim()
    result = desk.result(claimed)
    desk.store.fault = lambda name, _number: "before" if name == "update" else None
    with pytest.raises(StoreUnavailable):
        await result.write()
    desk.store.fault = lambda _name, _number: None
    other = claimed.succeeded(IMAGE, "url", desk.clock.now())
    await desk.write(other)
    assert await result.write() is None
    assert (await desk.stored(), desk.outbox.told) == (other, [])


@pytest.mark.gen_test
async def test_what_was_written_and_retried_and_claimed_again_under_the_lease_is_another_run() -> None:
    desk = Desk()
    claimed = await desk.claim()
    now = desk.clock.now()
    result = desk.result(claimed, lambda one: one.failed(FAILURE, "url", now))
    desk.lose_the_answer()
    with pytest.raises(StoreUnavailable):
        await result.write()
    await desk.write((await desk.stored()).retried(now, now))
    again = await desk.claim_again()
    assert (again.worker_id, again.attempts) == (claimed.worker_id, claimed.attempts)
    with pytest.raises(ResultNotWritten):
        await result.write()
    assert await desk.stored() == again
