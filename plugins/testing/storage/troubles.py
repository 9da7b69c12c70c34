"""Cases of the storage suite: a place that is down, silent or gone, lost answers and permissions, and what is told."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from pydantic import SecretStr

from ...capabilities import SupportsListing
from ...contracts import StorageBackend
from ...errors import ContentMismatch, KeyInvalid, ObjectExists, ObjectNotFound, StorageError
from ...options import PluginOptions
from ..bodies import MIB, Body, assert_bytes
from ..cancellation import attempt
from ..judging import assert_well_formed, everything_logged, recorded
from ..leaks import temporary_folder
from ..suite import UNSUPPORTED, slowness
from .saving import Gate
from .support import KEY, StorageHarness, Trouble, read

NEW: Final = "ab/cd/new"
PATIENCE: Final = 30.0
"""Seconds that a call to a silent place may take, on a machine as fast as the kit's own."""
_VERDICTS: Final = (KeyInvalid, ObjectExists, ObjectNotFound)
"""Errors that say something of the key or of the object, which a place that does not serve has not."""


class TroubleCases(StorageHarness):
    async def test_a_place_that_is_down(self) -> None:
        """Every call to a place that is down raises a retryable ``StorageError``; afterwards all is as it was."""
        kept, new = Body(100, seed=1), Body(100, seed=2)
        async with self.opened() as backend:
            await self.write_raw(KEY, kept.whole())
            async with self._in(Trouble.DOWN):
                for name, call in calls(backend, new):
                    assert_outage(await attempt(call), name, "that is down", retryable=True)
            await self.assert_holds(backend, KEY, kept)
            await self.assert_absent(backend, NEW)
            await self._assert_works(backend, new)

    async def test_a_place_that_never_answers(self) -> None:
        """Every call to a silent place ends with a retryable ``StorageError``, by a deadline of the backend's own."""
        new = Body(100)
        backend = self.made(self.make_impatient())
        try:
            await backend.ping()
            async with self._in(Trouble.SILENT):
                tasks = {name: asyncio.create_task(attempt(call)) for name, call in calls(backend, new)}
                await asyncio.wait(tasks.values(), timeout=PATIENCE * slowness())
                waiting = [name for name, task in tasks.items() if not task.done()]
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            assert not waiting, (
                f"{', '.join(waiting)} of a place that never answers waited for more than {PATIENCE:.0f} s: set a "
                "deadline for each request, and let make_impatient() make a backend with a short one"
            )
            for name, task in tasks.items():
                assert_outage(task.result(), name, "that never answers", retryable=True)
            await self._assert_works(backend, new)
        finally:
            await backend.close()

    @pytest.mark.parametrize("size", [100, 12 * MIB])
    async def test_a_save_whose_answer_is_lost(self, size: int) -> None:
        """A save whose object is visible and whose answer is lost succeeds or fails, and never removes the object."""
        body, other = Body(size, seed=1), Body(size, seed=2)
        async with self.opened() as backend:
            async with self._in(Trouble.ANSWER_LOST):
                result = await attempt(backend.save(KEY, body.chunks(), body.metadata))
            if not isinstance(result, ObjectExists) and result is not None:
                assert_outage(result, "save", "whose answer is lost", retryable=True)
            found = await self.read_raw(KEY)
            assert found is not None, "a save whose answer is lost removes its object, which others may have found"
            assert_bytes(found, body.whole(), "the object of a save whose answer is lost")
            again = await attempt(backend.save(KEY, other.chunks(), other.metadata))
            assert type(again) is ObjectExists, f"a later save of the key: {again!r} instead of ObjectExists"
            await self.assert_holds(backend, KEY, body)

    async def test_a_place_that_is_gone(self) -> None:
        """``ping`` and ``save`` of a place that is gone raise a ``StorageError``, and do not make the place anew."""
        body = Body(100)
        async with self.opened() as backend:
            async with self._in(Trouble.GONE):
                for _ in range(2):
                    assert_outage(await attempt(backend.ping()), "ping", "that is gone")
                    saving = backend.save(NEW, body.chunks(), body.metadata)
                    assert_outage(await attempt(saving), "save", "that is gone")
                reading = await attempt(read(backend, NEW))
                assert isinstance(reading, StorageError), f"open of a place that is gone: {reading!r}"
            await self._assert_works(backend, body)

    async def test_permissions_that_are_lost(self) -> None:
        """Every call without permission raises a ``StorageError``, a save that has begun too; nothing is stored."""
        kept, new = Body(100, seed=1), Body(100, seed=2)
        async with self.opened() as backend:
            await self.write_raw(KEY, kept.whole())
            gate = Gate(new)
            task = asyncio.create_task(attempt(backend.save(NEW, gate, new.metadata)))
            await gate.reached.wait()
            async with self._in(Trouble.DENIED):
                gate.go_on.set()
                assert_outage(await task, "a save that has begun", "that refuses access")
                for name, call in calls(backend, new):
                    assert_outage(await attempt(call), name, "that refuses access")
            await self.assert_holds(backend, KEY, kept)
            await self.assert_absent(backend, NEW)
            await self._assert_works(backend, new)

    async def test_no_secret_is_told(self) -> None:
        """No error, log line or ``repr`` contains a secret option, whatever trouble the place has."""
        body = Body(100)
        async with self.opened() as backend:
            secrets = [*self.secrets, *_secret_options(backend)]
            with recorded() as lines:
                errors = [await attempt(call) for _, call in calls(backend, body)]
                for trouble in (Trouble.DOWN, Trouble.DENIED, Trouble.GONE):
                    if trouble in self.troubles and self.lacks(trouble) is None:
                        async with self.troubled(trouble):
                            errors += [await attempt(call) for _, call in calls(backend, body)]
                await backend.delete(NEW)
            told = [(repr(backend), "the repr of the backend"), *lines]
            for error in errors:
                if isinstance(error, Exception):
                    told += everything_logged(error)
            for text, what in told:
                assert not any(secret in text for secret in secrets), f"{what} tells a secret option"

    # --- what an object is served with --------------------------------------------------------------------------------

    async def test_the_content_type_is_kept(self) -> None:
        """The place keeps the media type of ``ObjectMetadata.content_type``, for those who read without Lading."""
        body = Body(100)
        async with self.opened() as backend:
            await backend.save(KEY, body.chunks(), body.metadata)
            kept = await self.stored_type(KEY)
            if kept is None:
                pytest.skip(f"{UNSUPPORTED}content_type: stored_type() of the suite tells none")
            expected = body.metadata.content_type
            assert kept == expected, f"the place keeps the content type {kept!r} instead of {expected!r}"

    async def test_no_temporary_file_is_left(self) -> None:
        """Neither a save, nor a save that fails, nor a read leaves a temporary file."""
        body = Body(2 * MIB)
        with temporary_folder() as folder:
            async with self.opened() as backend:
                await backend.save(KEY, body.chunks(), body.metadata)
                failed = await attempt(backend.save(NEW, body.chunks(), Body(MIB).metadata))
                assert isinstance(failed, ContentMismatch), f"{failed!r}"
                await self.assert_holds(backend, KEY, body)
            left = sorted(path.name for path in folder.iterdir())
        assert not left, f"temporary files are left: {', '.join(left)}"

    # --- helpers ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _in(self, trouble: Trouble) -> AsyncIterator[None]:
        """The trouble within the block; the case is skipped where the suite cannot make it."""
        self.require(trouble)
        if trouble not in self.troubles:
            pytest.skip(f"{UNSUPPORTED}{trouble}: troubles of the suite has no such trouble")
        async with self.troubled(trouble):
            yield

    async def _assert_works(self, backend: StorageBackend, body: Body) -> None:
        """The backend is in order again."""
        await backend.ping()
        await backend.save(NEW, body.chunks(), body.metadata)
        await self.assert_holds(backend, NEW, body)


def calls(backend: StorageBackend, body: Body) -> Iterator[tuple[str, Coroutine[Any, Any, object]]]:
    """One call of every method, with its name, each made when it is asked for."""
    yield "save", backend.save(NEW, body.chunks(), body.metadata)
    yield "open", read(backend, KEY)
    yield "exists", backend.exists(KEY)
    yield "ping", backend.ping()
    if isinstance(backend, SupportsListing):
        yield "list_objects", _listed(backend)
    yield "delete", backend.delete("ab/cd/other")


async def _listed(backend: SupportsListing) -> int:
    return len([one async for one in backend.list_objects()])


def assert_outage(result: object, name: str, place: str, *, retryable: bool | None = None) -> None:
    """The call has failed, with an error that says nothing of the object."""
    what = f"{name} of a place {place}"
    assert isinstance(result, Exception), f"{what} succeeds, with {result!r}: it raises no error"
    assert isinstance(result, StorageError), (
        f"{what} raises {type(result).__name__}: raise a StorageError from it, such as StorageUnavailable ({result!r})"
    )
    assert not isinstance(result, _VERDICTS), (
        f"{what} raises {type(result).__name__}, as if it knew: raise StorageUnavailable or StorageDenied ({result})"
    )
    assert retryable is None or result.retryable is retryable, (
        f"{what} raises {type(result).__name__}, which is not retryable: raise StorageUnavailable ({result})"
    )
    assert_well_formed(result, what)


def _secret_options(backend: StorageBackend) -> Iterator[str]:
    options = getattr(backend, "options", None)
    if isinstance(options, PluginOptions):
        for name in type(options).model_fields:
            value = getattr(options, name)
            if isinstance(value, SecretStr) and value.get_secret_value():
                yield value.get_secret_value()
