"""The configured storages by name: the storage for new images, and all storages to read from."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ...backends.guard.storage import GuardedStorage


async def _nothing(_key: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Storages:
    """Storages, each behind its guard.

    Attributes:
        by_name: all of them.
        main: name of the storage for new images, in ``by_name``.
        mirror: name of the storage for second copies, in ``by_name``; None without one.
        forget: removes what was made of the object with this key, wherever it is, before the object goes. It raises
            nothing.
    """

    by_name: Mapping[str, GuardedStorage]
    main: str
    mirror: str | None = None
    forget: Callable[[str], Awaitable[None]] = _nothing

    @property
    def backend(self) -> GuardedStorage:
        """The storage for new images."""
        return self.by_name[self.main]

    @property
    def new_places(self) -> tuple[str, ...]:
        """The storages for a new image, the main one first."""
        return (self.main,) if self.mirror is None else (self.main, self.mirror)

    def missing(self, names: tuple[str, ...]) -> str | None:
        """The first of the names that is not configured, or None."""
        return next((name for name in names if name not in self.by_name), None)

    async def close(self) -> None:
        """Close every storage, even if another fails.

        Raises:
            PluginError: the last failure.
        """
        failure: Exception | None = None
        for storage in self.by_name.values():
            try:
                await storage.close()
            except Exception as error:  # noqa: BLE001 - raised below
                failure = error
        if failure is not None:
            raise failure
