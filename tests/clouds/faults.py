"""What a storage in a cloud does when the cloud, or the way there, fails: the same cases for every cloud.

They are run as the kit runs its own, so each also fails where anything is left behind or the event loop is blocked.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

import pytest
from _pytest.mark import ParameterSet

from lading.backends.cloud import storage as cloud
from lading.backends.cloud.storage import CloudStorage
from lading.plugins.contracts import StorageBackend
from lading.plugins.errors import (
    ContentMismatch,
    ObjectExists,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from lading.plugins.testing.bodies import MIB, Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.storage.support import KEY, StorageHarness, read
from tests.support.servers.cloud_proxy import (
    CloudProxy,
    Fault,
    Matching,
    breaking_the_answer,
    cloud_proxy,
    corrupting,
    losing_the_answer,
    refusing,
    resetting,
    stalling,
)
from tests.support.servers.programs.ports import free_port

SMALL = Body(100_000)
LARGE = Body(12 * MIB + 17)
ATTEMPTS = 3

BODIES = {"put": SMALL, "begin": LARGE, "part": LARGE, "finish": LARGE}
"""Requests of a save, by kind, and a body that is saved by one."""
CREATING = ("put", "finish")
UPLOADING = ("begin", "part", "finish")

PASSING_FAULTS: dict[str, Fault] = {
    "500": refusing(500),
    "502": refusing(502, "<html>a proxy on the way</html>"),
    "503": refusing(503),
    "429": refusing(429, Retry_After="0"),
    "reset": resetting,
    "answer lost": losing_the_answer,
    "timeout": stalling,
}


def with_kinds(faults: Sequence[str]) -> list[ParameterSet]:
    """Each fault with each kind of request.

    In the short form of the tests, those of a body in parts meet the faults in turn, and each a lost answer: what an
    upload does is decided by its kind, and whether it is tried again by the fault.
    """

    def is_short(number: int, fault: str, kind: str) -> bool:
        return kind == "put" or fault == "answer lost" or kind == UPLOADING[number % len(UPLOADING)]

    return [
        pytest.param(kind, fault, marks=[] if is_short(number, fault, kind) else [pytest.mark.long_form])
        for number, fault in enumerate(faults)
        for kind in BODIES
    ]


class FaultCases(StorageHarness):
    """The cases. ``make_backend`` of the harness is asked for a storage behind ``proxy``.

    Attributes:
        kinds: tells requests apart: those of ``BODIES``, and ``read``, ``head``, ``delete``, ``abort``, ``ping``.
        sending: those whose body is bytes of the object, and nothing else.
        refusals: how the cloud says that it is ``throttled``, and that there is ``no bucket``.
    """

    kinds: ClassVar[Mapping[str, Matching]]
    sending: ClassVar[tuple[str, ...]]
    refusals: ClassVar[Mapping[str, Fault]]
    proxy: CloudProxy

    @abstractmethod
    def upstream(self) -> str:
        """URL of the server that the proxy stands before."""

    @pytest.fixture(autouse=True)
    def _short_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cloud, "PAUSE_BASE", 0.01)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with cloud_proxy(self.upstream()) as self.proxy:
            async with super().running():
                yield

    async def assert_nothing(self, storage: StorageBackend) -> None:
        self.proxy.heal()
        await self.assert_absent(storage, KEY)

    def count(self, kind: str) -> int:
        return sum(map(self.kinds[kind], self.proxy.requests))

    # --- one fault, that passes ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize(("kind", "fault"), with_kinds([*PASSING_FAULTS, "throttled"]))
    async def test_a_fault_that_passes_is_not_noticed(self, kind: str, fault: str) -> None:
        body = BODIES[kind]
        async with self.opened() as storage:
            rule = self.proxy.harm(self.kinds[kind], {**PASSING_FAULTS, **self.refusals}[fault], times=1)
            await storage.save(KEY, body.chunks(), body.metadata)
            assert rule.hits == 1
            await self.assert_holds(storage, KEY, body)
            if (kind, fault) != ("begin", "answer lost"):
                assert not await self.leftovers()
            await self.sweep_uploads()

    async def test_bytes_that_change_on_their_way_are_sent_again(self) -> None:
        async with self.opened() as storage:
            for kind in self.sending:
                body = BODIES[kind]
                rule = self.proxy.harm(self.kinds[kind], corrupting, times=1)
                await storage.save(KEY, body.chunks(), body.metadata)
                assert rule.hits == 1
                await self.assert_holds(storage, KEY, body)
                await storage.delete(KEY)

    # --- a fault that stays -------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("kind", "fault"), with_kinds([*sorted(PASSING_FAULTS.keys() - {"answer lost"}), "throttled"])
    )
    async def test_a_fault_that_stays_is_an_outage(self, kind: str, fault: str) -> None:
        body = BODIES[kind]
        async with self.opened() as storage:
            rule = self.proxy.harm(self.kinds[kind], {**PASSING_FAULTS, **self.refusals}[fault])
            error = await attempt(storage.save(KEY, body.chunks(), body.metadata))
            assert type(error) is StorageUnavailable
            assert rule.hits == ATTEMPTS
            await self.assert_nothing(storage)
            await storage.save(KEY, body.chunks(), body.metadata)
            await self.assert_holds(storage, KEY, body)

    @pytest.mark.parametrize("kind", CREATING)
    async def test_an_object_whose_answers_are_all_lost_is_recognised(self, kind: str) -> None:
        body = BODIES[kind]
        async with self.opened() as storage:
            self.proxy.harm(self.kinds[kind], losing_the_answer)
            await storage.save(KEY, body.chunks(), body.metadata)
            await self.assert_holds(storage, KEY, body)
            assert not await self.leftovers()

    @pytest.mark.parametrize("kind", CREATING)
    async def test_an_object_of_somebody_else_is_not_taken_for_ours(self, kind: str) -> None:
        body = BODIES[kind]
        async with self.opened() as storage:
            await self.write_raw(KEY, b"another's")
            self.proxy.harm(self.kinds[kind], losing_the_answer, times=1)
            assert type(await attempt(storage.save(KEY, body.chunks(), body.metadata))) is ObjectExists
            assert await self.read_raw(KEY) == b"another's"
            assert not await self.leftovers()

    async def test_bytes_that_always_change_are_no_object(self) -> None:
        async with self.opened() as storage:
            for kind in self.sending:
                body = BODIES[kind]
                rule = self.proxy.harm(self.kinds[kind], corrupting)
                assert type(await attempt(storage.save(KEY, body.chunks(), body.metadata))) is ContentMismatch
                assert rule.hits == ATTEMPTS
                await self.assert_nothing(storage)

    # --- refusals -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", BODIES)
    async def test_what_is_forbidden_is_tried_once(self, kind: str) -> None:
        body = BODIES[kind]
        async with self.opened() as storage:
            rule = self.proxy.harm(self.kinds[kind], refusing(403))
            error = await attempt(storage.save(KEY, body.chunks(), body.metadata))
            assert type(error) is StorageDenied
            assert self.permission("create") in error.internal
            assert not error.retryable
            assert rule.hits == 1
            await self.assert_nothing(storage)

    @pytest.mark.parametrize("kind", CREATING)
    async def test_a_condition_that_fails_is_a_taken_key(self, kind: str) -> None:
        body = BODIES[kind]
        async with self.opened() as storage:
            rule = self.proxy.harm(self.kinds[kind], refusing(412))
            assert type(await attempt(storage.save(KEY, body.chunks(), body.metadata))) is ObjectExists
            assert rule.hits == 1
            await self.assert_nothing(storage)

    @pytest.mark.parametrize("kind", ["put", "part"])
    async def test_a_full_storage(self, kind: str) -> None:
        body = BODIES[kind]
        async with self.opened() as storage:
            self.proxy.harm(self.kinds[kind], refusing(507))
            assert type(await attempt(storage.save(KEY, body.chunks(), body.metadata))) is StorageFull
            await self.assert_nothing(storage)

    @pytest.mark.parametrize("kind", ["put", "begin"])
    async def test_a_bucket_that_has_gone(self, kind: str) -> None:
        body = BODIES[kind]
        async with self.opened() as storage:
            self.proxy.harm(self.kinds[kind], self.refusals["no bucket"])
            error = await attempt(storage.save(KEY, body.chunks(), body.metadata))
            assert isinstance(error, StorageError)
            assert not error.retryable
            assert "bucket" in error.internal
            await self.assert_nothing(storage)

    async def test_an_upload_that_cannot_be_aborted_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        async with self.opened() as storage:
            self.proxy.harm(self.kinds["part"], refusing(403))
            aborts = self.proxy.harm(self.kinds["abort"], refusing(500))
            error = await attempt(storage.save(KEY, LARGE.chunks(), LARGE.metadata))
            assert type(error) is StorageDenied
            assert aborts.hits == ATTEMPTS
            assert f"the unfinished upload of {KEY} could not be removed" in caplog.text
            self.proxy.heal()
            await self.sweep_uploads()

    # --- reading, and the rest ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "fault", [refusing(500), refusing(429), resetting, losing_the_answer, breaking_the_answer, stalling]
    )
    async def test_a_read_goes_on_where_it_broke(self, fault: Fault) -> None:
        async with self.opened() as storage:
            await self.write_raw(KEY, LARGE.whole())
            for after in range(3):
                taken = b""
                async with storage.open(KEY) as stored:
                    async for chunk in stored.chunks:
                        if len(taken) == after * 4 * MIB:
                            rule = self.proxy.harm(self.kinds["read"], fault, times=1)
                        taken += chunk
                assert taken == LARGE.whole()
                assert rule.hits == 1

    async def test_a_read_that_cannot_go_on(self) -> None:
        async with self.opened() as storage:
            await self.write_raw(KEY, LARGE.whole())
            async with storage.open(KEY) as stored:
                await anext(stored.chunks)
                rule = self.proxy.harm(self.kinds["read"], refusing(503))
                with pytest.raises(StorageUnavailable):
                    async for _ in stored.chunks:
                        pass
            assert rule.hits == ATTEMPTS

    async def test_an_object_that_is_replaced_while_it_is_read(self) -> None:
        other = Body(LARGE.size, seed=9)
        async with self.opened() as storage:
            await self.write_raw(KEY, LARGE.whole())
            async with storage.open(KEY) as stored:
                await anext(stored.chunks)
                await storage.delete(KEY)
                await self.write_raw(KEY, other.whole())
                with pytest.raises(ContentMismatch):
                    async for _ in stored.chunks:
                        pass

    @pytest.mark.parametrize(
        ("status", "expected"), [(403, StorageDenied), (500, StorageUnavailable), (429, StorageUnavailable)]
    )
    async def test_every_operation_says_what_is_wrong(self, status: int, expected: type[StorageError]) -> None:
        async with self.opened() as storage:
            assert isinstance(storage, CloudStorage)
            await self.write_raw(KEY, b"bytes")
            for kind, permission, call in [
                ("read", "read", read(storage, KEY)),
                ("head", "read", storage.exists(KEY)),
                ("delete", "delete", storage.delete(KEY)),
                ("ping", "create", storage.ping()),
                ("list", "list", anext(storage.list_objects())),
            ]:
                rule = self.proxy.harm(self.kinds[kind], refusing(status))
                error = await attempt(call)
                assert type(error) is expected, kind
                assert status != 403 or self.permission(permission) in error.internal
                assert rule.hits == (ATTEMPTS if expected.retryable else 1)
                self.proxy.heal()

    async def test_a_cancelled_save_whose_request_hangs_leaves_nothing(self) -> None:
        async with self.opened() as storage:
            for kind, body in BODIES.items():
                rule = self.proxy.harm(self.kinds[kind], stalling)
                task = asyncio.create_task(storage.save(KEY, body.chunks(), body.metadata))
                while not rule.hits:
                    await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.wait((task,))
                assert task.cancelled(), kind
                assert rule.hits == 1
                await self.assert_nothing(storage)

    async def test_an_outage_that_ends(self) -> None:
        bodies = {f"ab/{number}": Body(1000 + number, seed=number) for number in range(20)}
        async with self.opened() as storage:
            outage = self.proxy.harm(lambda _: True, resetting, times=150)

            async def stubborn(key: str, body: Body) -> None:
                while (error := await attempt(storage.save(key, body.chunks(), body.metadata))) is not None:
                    assert isinstance(error, StorageUnavailable)
                    assert error.retryable

            await asyncio.gather(*(stubborn(key, body) for key, body in bodies.items()))
            assert outage.hits == 150
            for key, body in bodies.items():
                await self.assert_holds(storage, key, body)

    async def test_a_server_that_is_not_there(self) -> None:
        self.proxy.harm(lambda _: True, resetting)
        storage = self.make_backend()
        try:
            assert type(await attempt(storage.ping())) is StorageUnavailable
            self.proxy.heal()
            await storage.ping()
        finally:
            await storage.close()

    async def test_nothing_listens(self) -> None:
        self.proxy = replace(self.proxy, url=f"http://127.0.0.1:{free_port()}")
        storage = self.make_backend()
        try:
            for call in (storage.ping(), storage.exists(KEY), storage.save(KEY, SMALL.chunks(), SMALL.metadata)):
                error = await attempt(call)
                assert type(error) is StorageUnavailable
                assert "cannot be reached" in error.internal
        finally:
            await storage.close()

    @abstractmethod
    def permission(self, to: str) -> str:
        """The cloud's name for the permission to ``create``, ``read``, ``delete`` or ``list``."""

    @abstractmethod
    async def sweep_uploads(self) -> None:
        """Remove unfinished uploads without the storage."""
