"""Makes the optional capabilities of a backend safe to call, through the guard around the same backend."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from ...plugins.capabilities import (
    ListedObject,
    SupportsFiles,
    SupportsListing,
    SupportsSignedUrls,
    SupportsUnfinishedSaves,
    UnfinishedSave,
)
from ...plugins.contracts import ObjectMetadata
from ...plugins.errors import PluginError, PluginFault
from ...plugins.keys import is_key
from .storage import GuardedStorage

_Listed = TypeVar("_Listed", ListedObject, UnfinishedSave)


class GuardedFiles(SupportsFiles):
    """See ``SupportsFiles``; the calls raise the same errors as ``GuardedStorage``.

    Args:
        guard: around the backend.
        files: the backend itself.
    """

    def __init__(self, guard: GuardedStorage, files: SupportsFiles) -> None:
        self._guard = guard
        self._files = files

    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        """See ``SupportsFiles.save_file``."""
        await self._guard.call("save", lambda: self._files.save_file(key, path, metadata), key=key)

    def make_file(self) -> int | None:
        """See ``SupportsFiles.make_file``; None also if the backend raises."""
        try:
            return self._files.make_file()
        except Exception:  # noqa: BLE001 - there are other places for a body
            return None


class GuardedSigner(SupportsSignedUrls):
    """Signs URLs through the guard.

    Args:
        guard: around the backend.
        signer: the backend itself.
    """

    def __init__(self, guard: GuardedStorage, signer: SupportsSignedUrls) -> None:
        self._guard = guard
        self._signer = signer

    async def signed_url(
        self, key: str, *, expires: timedelta, content_type: str | None = None, content_disposition: str | None = None
    ) -> str:
        """See ``SupportsSignedUrls.signed_url``."""

        def sign() -> Awaitable[str]:
            return self._signer.signed_url(
                key, expires=expires, content_type=content_type, content_disposition=content_disposition
            )

        return await self._guard.call("signed_url", sign, key=key)


class GuardedLister(SupportsListing):
    """Lists objects through the guard, each object as a call of its own. It leaves out names that are no keys.

    Args:
        guard: around the backend.
        lister: the backend itself.
    """

    def __init__(self, guard: GuardedStorage, lister: SupportsListing) -> None:
        self._guard = guard
        self._lister = lister

    def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        """See ``SupportsListing.list_objects``."""
        return _each(self._guard, lambda: self._lister.list_objects(prefix), ListedObject)


class GuardedUnfinished(SupportsUnfinishedSaves):
    """Lists unfinished saves through the guard, each as a call of its own. It leaves out names that are no keys.

    Args:
        guard: around the backend.
        backend: the backend itself.
    """

    def __init__(self, guard: GuardedStorage, backend: SupportsUnfinishedSaves) -> None:
        self._guard = guard
        self._backend = backend

    def list_unfinished(self) -> AsyncGenerator[UnfinishedSave, None]:
        """See ``SupportsUnfinishedSaves.list_unfinished``."""
        return _each(self._guard, self._backend.list_unfinished, UnfinishedSave)

    async def end_unfinished(self, save: UnfinishedSave) -> None:
        """See ``SupportsUnfinishedSaves.end_unfinished``."""
        await self._guard.call("end_unfinished", lambda: self._backend.end_unfinished(save), key=save.key)


async def _each(
    guard: GuardedStorage, begin: Callable[[], AsyncIterator[_Listed]], kind: type[_Listed]
) -> AsyncGenerator[_Listed, None]:
    """A listing of the backend, each item of which is a call of its own; without names that are no keys."""
    items: AsyncIterator[_Listed] | None = None

    async def following() -> _Listed | None:
        nonlocal items
        if items is None:
            items = begin()
        listed: object = await anext(items, None)
        if listed is None or isinstance(listed, kind):
            return listed
        raise PluginFault(f"a listing gave {type(listed).__name__}")

    try:
        while (listed := await guard.call("list", following)) is not None:
            if is_key(listed.key):
                yield listed
    finally:
        if isinstance(items, AsyncGenerator):
            with suppress(PluginError):
                await guard.call("release", items.aclose)


def files_of(guard: GuardedStorage) -> GuardedFiles | None:
    """Saves files in the guarded backend; None if the backend cannot."""
    backend = guard.backend
    return GuardedFiles(guard, backend) if isinstance(backend, SupportsFiles) else None


def lister_of(guard: GuardedStorage) -> GuardedLister | None:
    """Lists the guarded backend's objects; None if the backend cannot."""
    backend = guard.backend
    return GuardedLister(guard, backend) if isinstance(backend, SupportsListing) else None


def signer_of(guard: GuardedStorage) -> SupportsSignedUrls | None:
    """Signs URLs of the guarded backend's objects; None if the backend cannot."""
    backend = guard.backend
    return GuardedSigner(guard, backend) if isinstance(backend, SupportsSignedUrls) else None


def unfinished_of(guard: GuardedStorage) -> GuardedUnfinished | None:
    """Lists and ends the guarded backend's unfinished saves; None if the backend cannot."""
    backend = guard.backend
    return GuardedUnfinished(guard, backend) if isinstance(backend, SupportsUnfinishedSaves) else None
