"""What a storage backend does behind ``GuardedStorage`` beyond its own suite."""

import pytest

from lading.backends.guard.capabilities import files_of, lister_of
from lading.backends.guard.storage import GuardedStorage
from lading.plugins.capabilities import SupportsFiles, SupportsListing
from lading.plugins.contracts import StorageBackend
from lading.plugins.errors import ContentMismatch, KeyInvalid, PluginError
from lading.plugins.testing.bodies import MIB, Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.storage.suite import StorageBackendSuite
from lading.plugins.testing.storage.support import KEY, every_call, read

BAD_KEYS = [
    "",
    "/",
    ".",
    "..",
    "a/",
    "/a",
    "a//b",
    "../a",
    "a/../b",
    "a/..",
    "a/./b",
    ".a",
    "a/.b",
    ".incoming/a",
    "A",
    "a b",
    "a\\b",
    "a\0b",
    "a\n",
    "a\tb",
    "a%2e",
    "a:b",
    "~",
    "ä",
    "ａ",
    "图",
    "a\u202eb",
    "\ud800",
    "k" * 256,
    "k/" * 128,
]


class GuardedStorageSuite(StorageBackendSuite):
    """The cases that a backend passes behind ``GuardedStorage``, which ``make_backend`` returns here."""

    def lister(self, backend: StorageBackend) -> SupportsListing:
        assert isinstance(backend, GuardedStorage)
        super().lister(backend.backend)
        lister = lister_of(backend)
        assert lister is not None
        return lister

    def saver(self, backend: StorageBackend) -> SupportsFiles:
        assert isinstance(backend, GuardedStorage)
        super().saver(backend.backend)
        saver = files_of(backend)
        assert saver is not None
        return saver

    async def test_what_is_no_key_is_not_listed(self) -> None:
        async with self.opened() as backend:
            self.lister(backend)
            await self.write_raw(KEY, b"x")
            await self.write_raw("Stray Notes.txt", b"y")
            assert set(await self.listed(backend)) == {KEY}

    @pytest.mark.parametrize("key", BAD_KEYS)
    async def test_a_bad_key_is_refused(self, key: str) -> None:
        async with self.opened() as backend:
            for call in every_call(backend, key):
                assert type(await attempt(call)) is KeyInvalid

    @pytest.mark.parametrize("size", [1, 100, 3 * MIB])
    async def test_other_bytes_than_announced(self, size: int) -> None:
        metadata, body = Body(size, seed=1).metadata, Body(size, seed=2)
        async with self.opened() as backend:
            caught = await attempt(backend.save(KEY, body.chunks(), metadata))
            assert isinstance(caught, ContentMismatch)
            await self.assert_absent(backend, KEY)

    async def test_errors_bear_the_name(self) -> None:
        async with self.opened() as backend:
            assert isinstance(backend, GuardedStorage)
            for key in (KEY, ".."):
                error = await attempt(read(backend, key))
                assert isinstance(error, PluginError)
                assert error.plugin == backend.name
