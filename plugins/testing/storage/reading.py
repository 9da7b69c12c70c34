"""Cases of the storage suite: reading, deleting, and the backend's own life."""

import asyncio

import pytest

from ...contracts import StorageBackend
from ...errors import ObjectNotFound, PluginError, StorageError
from ..bodies import MIB, Body, assert_bytes
from ..cancellation import CancelAt, attempt
from .saving import Gate, SourceBroke
from .support import KEY, StorageHarness, every_call, read

SIZE = 3 * MIB + 5
RANGES: list[tuple[int, int | None]] = [
    (0, None),
    (0, 0),
    (0, 1),
    (1, 1),
    (1, None),
    (SIZE - 1, 1),
    (SIZE - 1, 10),
    (SIZE - 1, None),
    (SIZE, None),
    (SIZE, 1),
    (SIZE + 100, 5),
    (SIZE + 100, None),
    (MIB - 1, 2),
    (MIB, MIB),
    (5, 2 * MIB),
    (5, SIZE),
    (0, SIZE),
    (0, 10 * SIZE),
]


class ReadingCases(StorageHarness):
    async def test_reads_what_others_wrote(self) -> None:
        """The backend reads an object that was written without it."""
        async with self.opened() as backend:
            await self.write_raw(KEY, b"\0\xffraw")
            assert await backend.exists(KEY)
            assert await read(backend, KEY) == b"\0\xffraw"

    @pytest.mark.parametrize("key", [KEY, "missing", "ab/missing", "ab/cd/objec", "ab/cd/object/x", "ab/cd/object2"])
    async def test_open_of_a_missing_object(self, key: str) -> None:
        """``open`` of a missing key raises ``ObjectNotFound``, though neighbouring keys exist."""
        async with self.opened() as backend:
            if key != KEY:
                await self.write_raw(KEY, b"another")
            await self.assert_absent(backend, key)
            with pytest.raises(StorageError) as caught:
                await read(backend, key, offset=5, length=0)
            assert type(caught.value) is ObjectNotFound

    @pytest.mark.parametrize("prefix", ["ab", "ab/cd", "ab/cd/o"])
    async def test_a_prefix_is_no_object(self, prefix: str) -> None:
        """A prefix of a key is no object, and its deletion deletes nothing."""
        self.require("nested_keys")
        async with self.opened() as backend:
            await self.write_raw(KEY, b"bytes")
            await self.assert_absent(backend, prefix)
            await backend.delete(prefix)
            assert await read(backend, KEY) == b"bytes"

    @pytest.mark.parametrize(("offset", "length"), RANGES)
    async def test_range(self, offset: int, length: int | None) -> None:
        """``offset`` and ``length`` select exactly the bytes, also behind the end, in chunks of at most 1 MiB."""
        body = Body(SIZE)
        async with self.opened() as backend:
            await self.write_raw(KEY, body.whole())
            async with backend.open(KEY, offset=offset, length=length) as stored:
                assert stored.byte_size == SIZE
                chunks = [chunk async for chunk in stored.chunks]
            assert all(0 < len(chunk) <= MIB for chunk in chunks)
            end = SIZE if length is None else offset + length
            assert_bytes(b"".join(chunks), body.whole()[offset:end], f"bytes {offset} to {end}")

    async def test_range_of_an_empty_object(self) -> None:
        """Any range of an empty object is empty."""
        async with self.opened() as backend:
            await self.write_raw(KEY, b"")
            assert await read(backend, KEY, offset=0, length=10) == b""
            assert await read(backend, KEY, offset=1) == b""

    async def test_readers_do_not_disturb_one_another(self) -> None:
        """Two readers of one object each get their own bytes."""
        body = Body(SIZE)
        async with self.opened() as backend:
            await self.write_raw(KEY, body.whole())
            async with backend.open(KEY) as one, backend.open(KEY, offset=7) as other:
                first = await anext(one.chunks)
                second = await anext(other.chunks)
                first += b"".join([chunk async for chunk in one.chunks])
                second += b"".join([chunk async for chunk in other.chunks])
            assert_bytes(first, body.whole(), "the first reader")
            assert_bytes(second, body.whole()[7:], "the second reader")

    async def test_a_reader_that_leaves_early(self) -> None:
        """A reader may leave before or after the first chunk; the object stays readable."""
        async with self.opened() as backend:
            await self.write_raw(KEY, Body(SIZE).whole())
            async with backend.open(KEY):
                pass
            async with backend.open(KEY) as stored:
                assert await anext(stored.chunks)
            await self.assert_holds(backend, KEY, Body(SIZE))

    async def test_a_readers_own_error_passes_unchanged(self) -> None:
        """An error that the reader raises within ``open`` comes out as the same object."""
        error = SourceBroke("in the reader")

        async def failing(backend: StorageBackend) -> None:
            async with backend.open(KEY) as stored:
                await anext(stored.chunks)
                raise error

        async with self.opened() as backend:
            await self.write_raw(KEY, Body(SIZE).whole())
            assert await attempt(failing(backend)) is error

    async def test_a_reader_cancelled_at_every_await(self) -> None:
        """A cancelled read ends as cancelled, at whichever await; the object stays readable."""
        body = Body(SIZE)
        async with self.opened() as backend:
            await self.write_raw(KEY, body.whole())
            for nth in range(1, 1000):
                driver = CancelAt(read(backend, KEY), nth)
                task = await driver.run()
                if not driver.reached:
                    break
                assert task.cancelled()
            await self.assert_holds(backend, KEY, body)

    # --- deleting -----------------------------------------------------------------------------------------------------

    async def test_delete(self) -> None:
        """A deleted object is gone, and its key may be saved again."""
        first, second = Body(100, seed=1), Body(200, seed=2)
        async with self.opened() as backend:
            await backend.save(KEY, first.chunks(), first.metadata)
            await backend.delete(KEY)
            await self.assert_absent(backend, KEY)
            await backend.save(KEY, second.chunks(), second.metadata)
            await self.assert_holds(backend, KEY, second)

    async def test_delete_is_idempotent(self) -> None:
        """``delete`` of a missing key succeeds, repeated and concurrent calls too."""
        async with self.opened() as backend:
            missed = await attempt(backend.delete("never/was/there"))
            assert missed is None, f"delete of a key without an object raises {missed!r}: it is no error"
            await self.write_raw(KEY, b"bytes")
            await backend.delete(KEY)
            await backend.delete(KEY)
            await asyncio.gather(*(backend.delete(KEY) for _ in range(5)))
            await self.assert_absent(backend, KEY)

    async def test_delete_below_an_object(self) -> None:
        """``delete`` of a key below an object deletes nothing."""
        self.require("nested_keys")
        async with self.opened() as backend:
            await self.write_raw(KEY, b"bytes")
            await backend.delete(f"{KEY}/below")
            assert await read(backend, KEY) == b"bytes"

    async def test_delete_while_it_is_read(self) -> None:
        """A reader of an object that is deleted gets its bytes, or a ``StorageError``, never other bytes."""
        body = Body(SIZE)
        taken = []
        async with self.opened() as backend:
            await self.write_raw(KEY, body.whole())
            async with backend.open(KEY) as stored:
                taken.append(await anext(stored.chunks))
                await backend.delete(KEY)
                try:
                    taken += [chunk async for chunk in stored.chunks]
                except StorageError:
                    assert body.whole().startswith(b"".join(taken))
                else:
                    assert_bytes(b"".join(taken), body.whole(), "an object deleted meanwhile")
            await self.assert_absent(backend, KEY)

    async def test_replaced_while_it_is_read(self) -> None:
        """A reader of an object that is replaced gets the old bytes to their end, or a ``StorageError``."""
        old, new = Body(SIZE, seed=1), Body(SIZE, seed=2)
        async with self.opened() as backend:
            await self.write_raw(KEY, old.whole())
            async with backend.open(KEY) as stored:
                taken = [await anext(stored.chunks)]
                await self.write_raw(KEY, new.whole())
                try:
                    taken += [chunk async for chunk in stored.chunks]
                except StorageError:
                    assert old.whole().startswith(b"".join(taken)), "bytes of the new object follow those of the old"
                else:
                    assert_bytes(b"".join(taken), old.whole(), "an object that was replaced while it was read")
            assert_bytes(await read(backend, KEY), new.whole(), "the new object")

    # --- the backend's own life ---------------------------------------------------------------------------------------

    async def test_ping_again_and_at_once(self) -> None:
        """``ping`` may be called repeatedly and concurrently, and changes no object."""
        async with self.opened() as backend:
            await self.write_raw(KEY, b"bytes")
            await backend.ping()
            await asyncio.gather(*(backend.ping() for _ in range(5)))
            assert await read(backend, KEY) == b"bytes"

    async def test_ping_during_a_save(self) -> None:
        """``ping`` succeeds during a save and does not disturb it."""
        body = Body(4 * MIB)
        async with self.opened() as backend:
            gate = Gate(body)
            task = asyncio.create_task(backend.save(KEY, gate, body.metadata))
            await gate.reached.wait()
            await backend.ping()
            gate.go_on.set()
            await task
            await self.assert_holds(backend, KEY, body)

    async def test_two_backends_do_not_share_their_lives(self) -> None:
        """A backend still saves and reads after another instance of the same place is closed."""
        body = Body(100)
        async with self.opened() as one:
            other = self.made(self.make_backend())
            try:
                await other.ping()
                await one.ping()
                await one.close()
                await other.save(KEY, body.chunks(), body.metadata)
                assert_bytes(await read(other, KEY), body.whole(), "what is saved after the other backend has closed")
            finally:
                await other.close()

    async def test_close_twice_and_at_once(self) -> None:
        """``close`` may be called again, also while another ``close`` runs."""
        async with self.opened() as backend:
            await backend.close()
            await asyncio.gather(backend.close(), backend.close())

    async def test_close_of_an_unused_backend(self) -> None:
        """``close`` works on a backend that was never used."""
        backend = self.make_backend()
        await backend.close()

    async def test_use_after_close_is_an_error(self) -> None:
        """Every call after ``close`` raises a ``PluginError`` and stores nothing."""
        async with self.opened() as backend:
            await backend.close()
            for call in every_call(backend, KEY):
                assert isinstance(await attempt(call), PluginError)
            assert isinstance(await attempt(backend.ping()), PluginError)
            assert await self.read_raw(KEY) is None

    @pytest.mark.parametrize("size", [100, 4 * MIB])
    async def test_close_during_a_save(self, size: int) -> None:
        """``close`` ends a running save with a ``PluginError``, and nothing is stored."""
        body = Body(size)
        async with self.opened() as backend:
            gate = Gate(body)
            task = asyncio.create_task(backend.save(KEY, gate, body.metadata))
            await gate.reached.wait()
            closing = asyncio.create_task(backend.close())
            await asyncio.sleep(0)
            gate.go_on.set()
            await asyncio.wait((task, closing))
            assert closing.exception() is None
            assert isinstance(task.exception(), PluginError)
            assert await self.read_raw(KEY) is None

    async def test_close_during_a_read(self) -> None:
        """A read that continues after ``close`` raises a ``PluginError``."""
        body = Body(SIZE)
        async with self.opened() as backend:
            await self.write_raw(KEY, body.whole())
            assert isinstance(await attempt(self._read_across_close(backend)), PluginError)

    async def _read_across_close(self, backend: StorageBackend) -> None:
        async with backend.open(KEY) as stored:
            await anext(stored.chunks)
            await backend.close()
            async for _ in stored.chunks:
                pass
