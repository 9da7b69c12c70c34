"""Cases of the storage suite: saving."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from ...contracts import ObjectMetadata
from ...errors import ContentMismatch, KeyInvalid, ObjectExists
from ..bodies import KIB, MIB, Body, Stream, assert_bytes
from ..cancellation import CancelAt, attempt
from .support import KEY, StorageHarness, read

LARGE = 64_000_000
ROUND_TRIPS = [0, 1, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 8 * MIB, LARGE]
LONG_KEY = "/".join(["k" * 63] * 4)
ODD_KEYS = ["a", "0", "-", "_", "a..b", "a.", "-rf", "a-b_c.d/e", "a/b/c/d/e/f/g/h", "k" * 200, LONG_KEY]


class SourceBroke(Exception):
    """Raised by a test's stream; nothing that a backend could know."""


def breaking(body: Body, after: int, error: Exception) -> AsyncIterator[bytes]:
    """The first ``after`` bytes of the body, then the error."""

    def pieces() -> Iterator[bytes]:
        yield from body.pieces(end=after)
        raise error

    return Stream(pieces())


class Gate(Stream):
    """A stream of a body that sets ``reached`` at its middle and waits for ``go_on`` there."""

    def __init__(self, body: Body) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        step = max(1, min(64 * KIB, body.size // 4))
        self._steps_before = body.size // 2 // step
        super().__init__(body.pieces(step))

    async def __anext__(self) -> bytes:
        if self._steps_before == 0:
            self.reached.set()
            await self.go_on.wait()
        self._steps_before -= 1
        return await super().__anext__()


class SavingCases(StorageHarness):
    @pytest.mark.parametrize("size", ROUND_TRIPS)
    async def test_round_trip(self, size: int) -> None:
        """Bodies of 0 to 64 MB come back byte for byte."""
        body = Body(size)
        async with self.opened() as backend:
            await backend.save(KEY, body.chunks(MIB if size == LARGE else 64 * KIB), body.metadata)
            await self.assert_holds(backend, KEY, body)
            if size < LARGE:
                assert_bytes(await self.read_raw(KEY), body.whole(), "what was saved")

    @pytest.mark.parametrize("chunk_size", [1, 7, 4096, MIB])
    async def test_any_chunk_size(self, chunk_size: int) -> None:
        """Chunks of any size make the same object."""
        body = Body(min(chunk_size * 5000, 3 * MIB) + 1)
        async with self.opened() as backend:
            await backend.save(KEY, body.chunks(chunk_size), body.metadata)
            assert_bytes(await self.read_raw(KEY), body.whole(), f"chunks of {chunk_size} bytes")

    async def test_a_single_large_chunk(self) -> None:
        """A body in one chunk of 3 MB comes back byte for byte."""
        body = Body(3 * MIB + 17)
        async with self.opened() as backend:
            await backend.save(KEY, Stream([body.whole()]), body.metadata)
            await self.assert_holds(backend, KEY, body)

    @pytest.mark.parametrize("key", ODD_KEYS)
    async def test_every_allowed_key(self, key: str) -> None:
        """Every key that the contract allows can be saved and read."""
        body, key = Body(100), key[: self.max_key_length].rstrip("/")
        async with self.opened() as backend:
            await backend.save(key, body.chunks(), body.metadata)
            await self.assert_holds(backend, key, body)
            assert await self.read_raw(key) == body.whole()

    @pytest.mark.parametrize(
        "filename", [None, "", "../../etc/passwd", "a\r\nb: c", "\0", "bild-ü-图-🖼.png", "x" * 255]
    )
    async def test_the_filename_is_data(self, filename: str | None) -> None:
        """A hostile file name or album in the metadata changes neither the key nor the body."""
        body = Body(100)
        async with self.opened() as backend:
            hostile = replace(
                body.metadata,
                filename=filename,
                album_id=filename,
                import_id=None,
                organization_id=None,
                issuer_id=None,
            )
            saved = await attempt(backend.save(KEY, body.chunks(), hostile))
            assert saved is None, f"a save with the file name {filename!r} raises {saved!r}: encode it, or leave it out"
            await self.assert_holds(backend, KEY, body)

    async def test_memory_is_bounded(self) -> None:
        """A save and a read of 64 MB need less than 16 MiB of memory."""
        self.require("bounded_memory")
        body = Body(LARGE)
        metadata = body.metadata
        async with self.opened() as backend:
            tracemalloc.start()
            try:
                await backend.save(KEY, body.chunks(256 * KIB), metadata)
                await self.assert_holds(backend, KEY, body)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak < 16 * MIB, f"a save and a read of 64 MB take {peak // MIB} MiB of memory: stream the body"

    # --- streams that are wrong or break ------------------------------------------------------------------------------

    @pytest.mark.parametrize("after", [0, 1, 100 * KIB, 2 * MIB, 3 * MIB])
    @pytest.mark.parametrize(
        "error", [SourceBroke("broke"), OSError(28, "not this disk"), TimeoutError(), KeyError("k")]
    )
    async def test_a_stream_that_breaks(self, after: int, error: Exception) -> None:
        """An error of the stream comes out as the same object, and nothing is stored."""
        body = Body(3 * MIB)
        async with self.opened() as backend:
            caught = await attempt(backend.save(KEY, breaking(body, after, error), body.metadata))
            assert caught is error
            await self.assert_absent(backend, KEY)
            await backend.save(KEY, body.chunks(), body.metadata)
            await self.assert_holds(backend, KEY, body)

    @pytest.mark.parametrize(
        ("announced", "streamed"),
        [(1, 0), (0, 1), (100, 99), (99, 100), (3 * MIB, 3 * MIB - 1), (3 * MIB - 1, 3 * MIB), (3 * MIB, 0)],
    )
    async def test_other_sizes_than_announced(self, announced: int, streamed: int) -> None:
        """A body of another size than announced raises ``ContentMismatch``, and nothing is stored."""
        metadata, body = Body(announced).metadata, Body(streamed)
        async with self.opened() as backend:
            assert isinstance(await attempt(backend.save(KEY, body.chunks(), metadata)), ContentMismatch)
            await self.assert_absent(backend, KEY)

    async def test_a_stream_without_end_is_left(self) -> None:
        """The backend stops reading an endless stream and raises ``ContentMismatch``."""
        taken = 0

        def endless() -> Iterator[bytes]:
            nonlocal taken
            while taken < 64:
                taken += 1
                yield bytes(MIB)
            raise AssertionError("the backend reads on and on")

        async with self.opened() as backend:
            assert isinstance(await attempt(backend.save(KEY, Stream(endless()), Body(MIB).metadata)), ContentMismatch)
            await self.assert_absent(backend, KEY)

    # --- cancellation -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(("size", "chunk_size"), [(0, 1), (5, 2), (3 * MIB + 1, 512 * KIB)])
    async def test_cancelled_at_every_await(self, size: int, chunk_size: int) -> None:
        """A cancelled save stores nothing, at whichever await."""
        body = Body(size)
        async with self.opened() as backend:
            for nth in range(1, 1000):
                driver = CancelAt(backend.save(KEY, body.chunks(chunk_size), body.metadata), nth)
                task = await driver.run()
                if task.cancelled():
                    await self.assert_absent(backend, KEY)
                else:
                    task.result()
                    await self.assert_holds(backend, KEY, body)
                    await backend.delete(KEY)
                if not driver.reached:
                    return
            pytest.fail("the save never ends")

    @pytest.mark.parametrize("size", [100, 4 * MIB])
    async def test_cancelled_while_its_stream_stalls(self, size: int) -> None:
        """A save that is cancelled during a stalled stream stores nothing; the next save succeeds."""
        body = Body(size)
        async with self.opened() as backend:
            gate = Gate(body)
            task = asyncio.create_task(backend.save(KEY, gate, body.metadata))
            await gate.reached.wait()
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
            await self.assert_absent(backend, KEY)
            await backend.save(KEY, body.chunks(), body.metadata)
            await self.assert_holds(backend, KEY, body)

    # --- visibility ---------------------------------------------------------------------------------------------------

    async def test_invisible_while_it_is_written(self) -> None:
        """No object is visible under the key until its save has completed."""
        body = Body(3 * MIB)
        async with self.opened() as backend:

            async def watched() -> AsyncIterator[bytes]:
                async for chunk in body.chunks(256 * KIB):
                    is_visible = await self.read_raw(KEY) is not None or await backend.exists(KEY)
                    assert not is_visible, "the object is visible before its save has completed"
                    yield chunk

            await backend.save(KEY, watched(), body.metadata)
            await self.assert_holds(backend, KEY, body)

    @pytest.mark.parametrize("size", [10, 3 * MIB])
    async def test_a_second_save_changes_nothing(self, size: int) -> None:
        """A second save of a key raises ``ObjectExists``, and the first object stays as it was."""
        first = Body(size, seed=1)
        async with self.opened() as backend:
            await backend.save(KEY, first.chunks(), first.metadata)
            for second in (Body(size, seed=2), Body(size + 1, seed=2), Body(0), first):
                caught = await attempt(backend.save(KEY, second.chunks(), second.metadata))
                assert type(caught) is ObjectExists, f"a second save of a key: {caught!r} instead of ObjectExists"
                await self.assert_holds(backend, KEY, first)

    async def test_an_object_made_by_others_is_not_replaced(self) -> None:
        """A save of a key that another writer has used raises ``ObjectExists``."""
        body = Body(200)
        async with self.opened() as backend:
            await self.write_raw(KEY, b"first")
            assert type(await attempt(backend.save(KEY, body.chunks(), body.metadata))) is ObjectExists
            assert await self.read_raw(KEY) == b"first"

    @pytest.mark.parametrize("size", [100, 3 * MIB])
    async def test_of_two_saves_at_once_the_first_to_end_wins(self, size: int) -> None:
        """Of two concurrent saves the first to complete wins; the other raises ``ObjectExists``."""
        slow, quick = Body(size, seed=1), Body(size, seed=2)
        async with self.opened() as backend:
            gate = Gate(slow)
            task = asyncio.create_task(backend.save(KEY, gate, slow.metadata))
            await gate.reached.wait()
            await backend.save(KEY, quick.chunks(), quick.metadata)
            gate.go_on.set()
            await asyncio.wait((task,))
            assert type(task.exception()) is ObjectExists
            await self.assert_holds(backend, KEY, quick)

    @pytest.mark.parametrize("size", [100, 2 * MIB])
    async def test_of_many_saves_at_once_one_wins(self, size: int) -> None:
        """Of eight concurrent saves of one key, one succeeds; the others raise ``ObjectExists``."""
        self.require("create_only")
        bodies = [Body(size, seed) for seed in range(8)]
        async with self.opened() as backend:
            saves = [attempt(backend.save(KEY, body.chunks(), body.metadata)) for body in bodies]
            results = await asyncio.gather(*saves)
            winners = [body for body, result in zip(bodies, results, strict=True) if result is None]
            assert len(winners) == 1
            assert [type(result) for result in results if result is not None] == [ObjectExists] * 7
            await self.assert_holds(backend, KEY, winners[0])

    async def test_many_keys_at_once(self) -> None:
        """Sixty concurrent saves of different keys each store their own body."""
        bodies = {f"ab/{index % 7}/{index}": Body(1000 * index, seed=index) for index in range(60)}
        async with self.opened() as backend:
            await asyncio.gather(*(backend.save(key, body.chunks(), body.metadata) for key, body in bodies.items()))
            for key, body in bodies.items():
                await self.assert_holds(backend, key, body)

    # --- keys beside and below one another ----------------------------------------------------------------------------

    async def test_neighbours_with_a_common_prefix(self) -> None:
        """Keys with a common prefix are separate objects; deleting one leaves the others."""
        bodies = {key: Body(50, seed) for seed, key in enumerate(["ab/c", "ab/cd", "ab/c.d", "ab/c-d", "abc/d", "a"])}
        async with self.opened() as backend:
            for key, body in bodies.items():
                await backend.save(key, body.chunks(), body.metadata)
            await backend.delete("ab/c")
            await self.assert_absent(backend, "ab/c")
            del bodies["ab/c"]
            for key, body in bodies.items():
                await self.assert_holds(backend, key, body)

    @pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a"), ("a", "a/b/c")])
    async def test_a_key_that_is_a_folder_of_another(self, first: str, second: str) -> None:
        """A key that is a path prefix of another is stored or raises ``KeyInvalid``; the first object stays."""
        self.require("nested_keys")
        kept, tried = Body(50, seed=1), Body(60, seed=2)
        async with self.opened() as backend:
            await backend.save(first, kept.chunks(), kept.metadata)
            result = await attempt(backend.save(second, tried.chunks(), tried.metadata))
            if result is None:
                await self.assert_holds(backend, second, tried)
            else:
                assert type(result) is KeyInvalid
                await self.assert_absent(backend, second)
                await backend.delete(second)
            await self.assert_holds(backend, first, kept)

    async def test_a_failed_save_harms_no_neighbour(self) -> None:
        """A failed save leaves the objects in the same folder as they were."""
        body = Body(100)
        async with self.opened() as backend:
            await backend.save("ab/cd/1", body.chunks(), body.metadata)
            wrong = ObjectMetadata(byte_size=99, sha256=body.sha256, content_type="image/png")
            assert isinstance(await attempt(backend.save("ab/cd/2", body.chunks(), wrong)), ContentMismatch)
            assert await read(backend, "ab/cd/1") == body.whole()
