"""The cases of listing are held to account: the reference backend, whose listing is broken in one way at a time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lading.backends.memory import MemoryStorage
from lading.plugins.capabilities import ListedObject
from lading.plugins.contracts import ObjectMetadata
from lading.plugins.errors import PluginError
from lading.plugins.testing import leaks
from lading.plugins.testing.storage.listing import ListingCases
from lading.plugins.testing.suite import run_case
from tests.kit.storage.test_storage_mutants import SuiteUnderTest


class ListsTwice(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        for _ in range(2):
            async for one in super().list_objects(prefix):
                yield one


class ListsOnePage(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        number = 0
        async for one in super().list_objects(prefix):
            number += 1
            if number <= 1000:
                yield one


class ListsNothing(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        self._check_open()
        nothing: list[ListedObject] = []
        for one in nothing:
            yield one


class ListsFolders(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        folders = set()
        async for one in super().list_objects(prefix):
            folder = one.key.rpartition("/")[0]
            if folder not in folders:
                folders.add(folder)
                yield replace(one, key=folder)


class ListsOthersAlone(MemoryStorage):
    """Knows only what it saved itself."""

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        await super().save(key, chunks, metadata)
        self._mine: set[str] = {*getattr(self, "_mine", ()), key}

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        async for one in super().list_objects(prefix):
            if one.key in self._mine:
                yield one


class IgnoresThePrefix(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        async for one in super().list_objects():
            yield one


class TakesThePrefixForAFolder(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        folder = prefix.rstrip("/")
        async for one in super().list_objects():
            if not folder or one.key.startswith(f"{folder}/"):
                yield one


class CutsThePrefixOff(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        async for one in super().list_objects(prefix):
            yield replace(one, key=one.key.removeprefix(prefix))


class RoundsSizes(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        async for one in super().list_objects(prefix):
            yield replace(one, byte_size=-(-one.byte_size // 512) * 512)


class TellsNaiveTimes(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        async for one in super().list_objects(prefix):
            yield replace(one, last_modified=one.last_modified.replace(tzinfo=None))


class TellsNoTimes(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        async for one in super().list_objects(prefix):
            yield replace(one, last_modified=datetime(1970, 1, 1, tzinfo=UTC))


class ListsTheDeleted(MemoryStorage):
    async def delete(self, key: str) -> None:
        self._check_open()
        self._deleted: set[str] = {*getattr(self, "_deleted", ()), key}

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        async for one in super().list_objects(prefix):
            yield one


class ListsTheUnfinished(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        self._unfinished: set[str] = {*getattr(self, "_unfinished", ()), key}
        try:
            await super().save(key, chunks, metadata)
        finally:
            self._unfinished.discard(key)

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        async for one in super().list_objects(prefix):
            yield one
        for key in getattr(self, "_unfinished", ()):
            yield ListedObject(key, 0, datetime.now(UTC))


class IsDisturbed(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        self._check_open()
        for key, body in self._objects.items():
            if key.startswith(prefix):
                yield ListedObject(key, len(body), self._saved_at[key])


class HoldsATaskOpen(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        task = asyncio.create_task(asyncio.Event().wait())
        async for one in super().list_objects(prefix):
            yield one
        task.cancel()
        await asyncio.wait({task})


class IsDeafToCancellation(MemoryStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        async for one in super().list_objects(prefix):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            yield one


class ListsAfterClose(MemoryStorage):
    async def close(self) -> None:
        """Keeps what it has."""

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        for key in tuple(self._objects):
            if key.startswith(prefix):
                yield ListedObject(key, len(self._objects[key]), self._saved_at[key])


@dataclass(frozen=True)
class Fault:
    backend: type[MemoryStorage]
    case: Callable[[SuiteUnderTest], Coroutine[Any, Any, None]]


FAULTS = [
    Fault(ListsTwice, lambda suite: suite.test_what_is_saved_is_listed_with_its_size()),
    Fault(ListsNothing, lambda suite: suite.test_what_is_saved_is_listed_with_its_size()),
    Fault(ListsFolders, lambda suite: suite.test_what_is_saved_is_listed_with_its_size()),
    Fault(ListsOthersAlone, lambda suite: suite.test_what_is_saved_is_listed_with_its_size()),
    Fault(RoundsSizes, lambda suite: suite.test_what_is_saved_is_listed_with_its_size()),
    Fault(ListsOnePage, lambda suite: suite.test_many_objects_are_listed_each_once()),
    Fault(TellsNaiveTimes, lambda suite: suite.test_when_it_was_saved_is_told()),
    Fault(TellsNoTimes, lambda suite: suite.test_when_it_was_saved_is_told()),
    Fault(IgnoresThePrefix, lambda suite: suite.test_a_prefix_is_a_plain_string()),
    Fault(TakesThePrefixForAFolder, lambda suite: suite.test_a_prefix_is_a_plain_string()),
    Fault(CutsThePrefixOff, lambda suite: suite.test_a_prefix_is_a_plain_string()),
    Fault(ListsTheDeleted, lambda suite: suite.test_what_is_deleted_is_listed_no_more()),
    Fault(ListsTheUnfinished, lambda suite: suite.test_an_unfinished_save_is_not_listed(100)),
    Fault(IsDisturbed, lambda suite: suite.test_what_others_do_meanwhile_harms_no_listing()),
    Fault(HoldsATaskOpen, lambda suite: suite.test_a_listing_may_be_left_before_its_end()),
    Fault(IsDeafToCancellation, lambda suite: suite.test_a_listing_cancelled_at_every_await()),
    Fault(ListsAfterClose, lambda suite: suite.test_listing_after_close_is_an_error()),
    Fault(MemoryStorage, lambda suite: suite.test_what_is_no_key_is_not_listed()),
]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.backend.__name__)
def test_the_suite_finds(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.1)  # what a mutant leaves stays: nobody waits for it
    suite = SuiteUnderTest(fault.backend)
    suite.place = tmp_path
    with pytest.raises((AssertionError, pytest.fail.Exception, PluginError, RuntimeError)):
        run_case(suite, fault.case(suite))


def test_a_backend_without_the_capability_is_not_asked(tmp_path: Path) -> None:
    class Plain(SuiteUnderTest):
        def lister(self, backend: Any) -> Any:
            return ListingCases.lister(self, object())  # type: ignore[arg-type]

    suite = Plain(MemoryStorage)
    suite.place = tmp_path
    with pytest.raises(pytest.skip.Exception, match="unsupported: listing"):
        run_case(suite, suite.test_an_empty_place_lists_nothing())
