"""What becomes of files that a storage in a cloud saves when the cloud, or the way there, fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lading.backends.cloud import storage as cloud
from lading.backends.cloud.storage import CloudStorage
from lading.plugins.errors import ContentMismatch, StorageUnavailable
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.storage.support import KEY
from tests.clouds.faults import ATTEMPTS, BODIES, LARGE, PASSING_FAULTS, SMALL, FaultCases, with_kinds
from tests.support.servers.cloud_proxy import Exchange, Fault, corrupting, passing


def after(change: Callable[[], object]) -> Fault:
    """The request passes, and something happens before the next one."""

    def fault(exchange: Exchange) -> None:
        change()
        passing(exchange)

    return fault


class FileFaultCases(FaultCases):
    """The cases of ``save_file``."""

    @asynccontextmanager
    async def saving(self) -> AsyncIterator[CloudStorage]:
        async with self.opened() as storage:
            assert isinstance(storage, CloudStorage)
            yield storage

    def file(self, body: Body) -> Path:
        path = self.place.parent / "body"
        path.write_bytes(body.whole())
        return path

    def is_open(self, path: Path) -> bool:
        """Whether this process has the file open."""
        return path in [link.resolve() for link in Path("/proc/self/fd").iterdir()]

    @pytest.mark.parametrize(("kind", "fault"), with_kinds(["503", "reset", "timeout", "answer lost"]))
    async def test_a_file_is_sent_again_from_where_that_helps(self, kind: str, fault: str) -> None:
        body = BODIES[kind]
        async with self.saving() as storage:
            rule = self.proxy.harm(self.kinds[kind], PASSING_FAULTS[fault], times=1)
            await storage.save_file(KEY, self.file(body), body.metadata)
            assert rule.hits == 1
            await self.assert_holds(storage, KEY, body)
            await self.sweep_uploads()

    async def test_the_bytes_of_a_file_that_change_on_their_way_are_sent_again(self) -> None:
        async with self.saving() as storage:
            for kind in self.sending:
                body = BODIES[kind]
                rule = self.proxy.harm(self.kinds[kind], corrupting, times=1)
                await storage.save_file(KEY, self.file(body), body.metadata)
                assert rule.hits == 1
                await self.assert_holds(storage, KEY, body)
                await storage.delete(KEY)

    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
    async def test_a_file_with_other_bytes_than_were_described_is_no_object(self, body: Body) -> None:
        async with self.saving() as storage:
            path = self.file(Body(body.size, seed=7))
            assert type(await attempt(storage.save_file(KEY, path, body.metadata))) is ContentMismatch
            await self.assert_nothing(storage)

    async def test_a_file_that_becomes_shorter_is_no_object(self) -> None:
        async with self.saving() as storage:
            path = self.file(LARGE)
            self.proxy.harm(self.kinds["begin"], after(lambda: path.write_bytes(b"short")), times=1)
            assert type(await attempt(storage.save_file(KEY, path, LARGE.metadata))) is StorageUnavailable
            await self.assert_nothing(storage)

    async def test_files_that_wait_for_their_turn_when_the_storage_is_closed_are_not_saved(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cloud, "PAUSE_BASE", 1.0)  # others rest before they try again when it is closed
        path = self.file(SMALL)
        async with self.saving() as storage:
            rule = self.proxy.harm(self.kinds["put"], PASSING_FAULTS["503"])
            calls = [storage.save_file(f"{KEY}-{number}", path, SMALL.metadata) for number in range(20)]
            saves = [asyncio.create_task(attempt(call)) for call in calls]
            while rule.hits < 16:  # as many as there are threads
                await asyncio.sleep(0.01)
            await storage.close()
            assert {type(outcome) for outcome in await asyncio.gather(*saves)} == {StorageUnavailable}
        self.proxy.heal()

    async def test_an_outage_while_a_file_is_sent(self) -> None:
        async with self.saving() as storage:
            path = self.file(LARGE)
            rule = self.proxy.harm(self.kinds["part"], PASSING_FAULTS["503"])
            assert type(await attempt(storage.save_file(KEY, path, LARGE.metadata))) is StorageUnavailable
            assert rule.hits == ATTEMPTS
            await self.assert_nothing(storage)
            await storage.save_file(KEY, path, LARGE.metadata)
            await self.assert_holds(storage, KEY, LARGE)
