"""The opening of the database: tried again and again, with one line for an outage, and given up where it is refused."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from lading.service.config import Settings, SettingsError
from lading.service.documents import StoreRefused, StoreUnavailable
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.models.clock import SystemClock
from lading.service.runtime import opening as room
from lading.service.runtime.opening import Opening

AWAY = StoreUnavailable("away")
REFUSED = StoreRefused("belongs to another application", "documents.sqlite", "path")


class Store(MemoryDocumentStore):
    """Fails to open as often as it is told to."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__(SystemClock())
        self.errors = list(errors)

    async def open(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        await super().open()


def opening(*errors: Exception) -> Opening:
    return Opening(Store(*errors), Settings(places={("documents.sqlite", "path"): "a.conf"}), random.Random(1))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Sequence[float]:
    """The pauses between two tries, which take no time."""
    made: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        made.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return made


@pytest.mark.gen_test
async def test_it_is_tried_with_longer_and_longer_pauses_up_to_a_bound(pauses: Sequence[float]) -> None:
    with capture_logs() as logged:
        async with opening(*[AWAY] * 20) as opened:
            await opened.first_try()
            assert not opened.task.done()
            await opened.task
            assert opened.is_done
    assert len(pauses) == 20
    assert pauses[0] < pauses[3] <= room.LONGEST_PAUSE
    assert all(room.LONGEST_PAUSE / 2 <= pause <= room.LONGEST_PAUSE for pause in pauses[8:])
    assert [line["event"] for line in logged] == ["a component is down", "a component recovered"]


@pytest.mark.gen_test
async def test_what_needs_the_database_waits_for_it(pauses: Sequence[float]) -> None:
    async with opening(AWAY) as opened:
        ran: list[bool] = []

        async def run() -> None:
            ran.append(opened.is_done)

        await opened.before(run)
        assert ran == [True]
    assert len(pauses) == 1


@pytest.mark.gen_test
@pytest.mark.parametrize("errors", [(REFUSED,), (AWAY, REFUSED)])
async def test_a_refusal_names_the_option_and_its_place(pauses: Sequence[float], errors: Sequence[Exception]) -> None:
    ran: list[bool] = []

    async def run() -> None:
        ran.append(True)

    async with opening(*errors) as opened:
        with pytest.raises(
            SettingsError, match=r"^a\.conf: \[documents\.sqlite\] path: belongs to another application"
        ):
            await (opened.first_try() if len(errors) == 1 else opened.task)
        await opened.before(run)
        assert not opened.is_done
    assert ran == []
    assert len(pauses) == len(errors) - 1


@pytest.mark.gen_test
async def test_it_ends_with_its_block() -> None:
    async with opening(*[AWAY] * 20) as opened:
        await opened.first_try()
    assert opened.task.cancelled()
