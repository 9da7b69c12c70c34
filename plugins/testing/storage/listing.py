"""Cases of the storage suite: listing, for backends that can (``lading.plugins.capabilities.SupportsListing``)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ...capabilities import ListedObject, SupportsListing
from ...contracts import StorageBackend
from ...errors import PluginError
from ..bodies import MIB, Body
from ..cancellation import CancelAt, attempt
from ..suite import UNSUPPORTED
from .saving import Gate
from .support import KEY, StorageHarness

CLOCKS = timedelta(hours=1)
"""How far the clock of a storage may be from ours."""


class ListingCases(StorageHarness):
    """The keys of an empty place, in any order, each once."""

    def lister(self, backend: StorageBackend) -> SupportsListing:
        """What lists the backend's objects; the case is skipped where nothing does."""
        if not isinstance(backend, SupportsListing):
            pytest.skip(f"{UNSUPPORTED}listing: {self.subject} is no SupportsListing")
        return backend

    async def listed(self, backend: StorageBackend, prefix: str = "") -> dict[str, ListedObject]:
        """The objects by key; none may come twice."""
        found = [one async for one in self.lister(backend).list_objects(prefix)]
        assert max(Counter(one.key for one in found).values(), default=1) == 1
        return {one.key: one for one in found}

    async def test_an_empty_place_lists_nothing(self) -> None:
        """An empty storage lists nothing, with and without a prefix."""
        async with self.opened() as backend:
            assert await self.listed(backend) == {}
            assert await self.listed(backend, "ab/") == {}

    async def test_what_is_saved_is_listed_with_its_size(self) -> None:
        """Each object is listed with its key and size, objects of other writers too."""
        bodies = {"a": Body(0), "ab/cd/object": Body(1), "ab/cd/objects": Body(1000), "b-_.c/0": Body(3 * MIB)}
        async with self.opened() as backend:
            for key, body in bodies.items():
                await backend.save(key, body.chunks(), body.metadata)
            await self.write_raw("by/others", b"12345")
            found = await self.listed(backend)
            sizes = {key: body.size for key, body in bodies.items()} | {"by/others": 5}
            assert {key: one.byte_size for key, one in found.items()} == sizes

    async def test_when_it_was_saved_is_told(self) -> None:
        """``last_modified`` has a time zone, is close to now, and grows with later saves."""
        body = Body(10)
        async with self.opened() as backend:
            await backend.save("first", body.chunks(), body.metadata)
            await backend.save("second", body.chunks(), body.metadata)
            found = await self.listed(backend)
            for one in found.values():
                assert one.last_modified.tzinfo is not None
                assert abs(one.last_modified - datetime.now(UTC)) < CLOCKS
            assert found["first"].last_modified <= found["second"].last_modified

    async def test_a_prefix_is_a_plain_string(self) -> None:
        """A prefix is compared as a string: neither a folder nor a pattern."""
        self.require("any_prefix")
        keys = ["ab/cd/object", "ab/cd/objects", "ab/ce/object", "abc/d", "b/ab"]
        async with self.opened() as backend:
            for key in keys:
                await self.write_raw(key, b"x")
            for prefix in (
                "",
                "a",
                "ab",
                "ab/",
                "ab/c",
                "ab/cd",
                "ab/cd/obj",
                "ab/cd/objects",
                "abc",
                "b",
                "x",
                "*",
                "/",
            ):
                assert set(await self.listed(backend, prefix)) == {key for key in keys if key.startswith(prefix)}

    async def test_what_is_deleted_is_listed_no_more(self) -> None:
        """A deleted object disappears from the list at once."""
        body = Body(10)
        async with self.opened() as backend:
            for key in (KEY, f"{KEY}2"):
                await backend.save(key, body.chunks(), body.metadata)
            await backend.delete(KEY)
            assert set(await self.listed(backend)) == {f"{KEY}2"}

    @pytest.mark.parametrize("size", [100, 4 * MIB])
    async def test_an_unfinished_save_is_not_listed(self, size: int) -> None:
        """An object appears in the list when its save has completed, not earlier."""
        body = Body(size)
        async with self.opened() as backend:
            gate = Gate(body)
            task = asyncio.create_task(backend.save(KEY, gate, body.metadata))
            await gate.reached.wait()
            found = await self.listed(backend)
            gate.go_on.set()
            await task
            assert found == {}
            assert set(await self.listed(backend)) == {KEY}

    async def test_many_objects_are_listed_each_once(self) -> None:
        """A list of several pages has each object exactly once."""
        keys = [f"{number % 7:02x}/{number}" for number in range(self.many)]
        async with self.opened() as backend:
            self.lister(backend)
            for start in range(0, self.many, 50):
                await asyncio.gather(*(self.write_raw(key, b"x") for key in keys[start : start + 50]))
            missing = sorted(set(keys) - set(await self.listed(backend)))
            assert not missing, (
                f"{len(missing)} of {self.many} objects are not listed, such as {missing[0]}: ask for every page"
            )

    async def test_what_others_do_meanwhile_harms_no_listing(self) -> None:
        """Saves and deletions during a list neither hide nor repeat the other objects."""
        stays = [f"stays/{number}" for number in range(20)]
        goes = [f"goes/{number}" for number in range(20)]
        body = Body(10)
        async with self.opened() as backend:
            for key in (*stays, *goes):
                await self.write_raw(key, b"x")
            found = []
            async for one in self.lister(backend).list_objects():
                found.append(one.key)
                if goes:
                    await backend.delete(goes.pop())
                    if len(goes) % 2:  # not always, so that their number changes too
                        await backend.save(f"new/{len(found)}", body.chunks(), body.metadata)
            assert set(stays) <= set(found)
            assert len(set(found)) == len(found)

    async def test_a_listing_may_be_left_before_its_end(self) -> None:
        """A list may be closed early, again and again."""
        async with self.opened() as backend:
            for number in range(20):
                await self.write_raw(f"ab/{number}", b"x")
            for _ in range(3):
                objects = self.lister(backend).list_objects()
                assert (await anext(objects)).byte_size == 1
                await _left(objects)
            assert len(await self.listed(backend)) == 20

    async def test_a_listing_cancelled_at_every_await(self) -> None:
        """A cancelled list ends as cancelled, and a later list is complete."""
        async with self.opened() as backend:
            self.lister(backend)
            for number in range(5):
                await self.write_raw(f"ab/{number}", b"x")
            for nth in range(1, 1000):
                driver = CancelAt(self._keys(backend), nth)
                task = await driver.run()
                if not driver.reached:
                    break
                assert task.cancelled()
            assert len(await self.listed(backend)) == 5

    async def _keys(self, backend: StorageBackend) -> int:
        objects = self.lister(backend).list_objects()
        try:
            return len([one async for one in objects])
        finally:
            await _left(objects)

    async def test_listing_after_close_is_an_error(self) -> None:
        """A list after ``close`` raises a ``PluginError``."""
        async with self.opened() as backend:
            self.lister(backend)
            await self.write_raw(KEY, b"x")
            await backend.close()
            assert isinstance(await attempt(self._keys(backend)), PluginError)


async def _left(objects: AsyncIterator[ListedObject]) -> None:
    """Close what an early end leaves open, as whoever iterates it by hand must."""
    aclose = getattr(objects, "aclose", None)
    if aclose is not None:
        await aclose()
