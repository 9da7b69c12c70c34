"""Saves that have begun and never ended: their parts stay in the storage, and no listing of objects shows them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

from ....backends.guard.capabilities import unfinished_of
from ....backends.guard.storage import GuardedStorage
from ....plugins.errors import StorageError
from .report import Finding, Kind


class Unlisted(Exception):
    """The storage cannot list its unfinished saves, for the reason in the text."""


async def unfinished_saves(storage: GuardedStorage, before: datetime, *, delete: bool) -> AsyncGenerator[Finding, None]:
    """Find the saves that have begun before a time, and remove what they have sent if ``delete``.

    Raises:
        Unlisted: the server or its permissions do not allow the listing.
        PluginError: the storage does not work.
    """
    backend = unfinished_of(storage)
    if backend is None:
        return
    async with aclosing(backend.list_unfinished()) as saves:
        while True:
            try:
                save = await anext(saves, None)
            except StorageError as error:
                if error.retryable:
                    raise
                raise Unlisted(str(error)) from error
            if save is None:
                return
            if save.begun_at >= before:
                continue
            if delete:
                await backend.end_unfinished(save)
            yield Finding(storage.name, Kind.UNFINISHED, save.key, last_modified=save.begun_at, deleted=delete)
