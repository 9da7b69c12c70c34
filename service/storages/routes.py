"""The configured storages by name: the storages for new images, and all storages to read from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from ...backends.guard.storage import GuardedStorage
from ..models import Import
from ..models.fields import first_key
from ..models.key_templates import DEFAULT_KEYS, KeyTemplate
from ..models.routing import Rule, storage_by


async def _nothing(_key: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Storages:
    """Storages, each behind its guard.

    Attributes:
        by_name: all of them.
        main: name of the storage for new images to which no rule applies, in ``by_name``.
        mirror: name of the storage for second copies, in ``by_name``; None without one.
        forget: removes what was made of the object with this key, wherever it is, before the object goes. It raises
            nothing.
        rules: choose the storage of a new image; each names one in ``by_name``.
        templates: of storage keys; the first makes those of new imports, the others have made those of earlier ones.
    """

    by_name: Mapping[str, GuardedStorage]
    main: str
    mirror: str | None = None
    forget: Callable[[str], Awaitable[None]] = _nothing
    rules: Sequence[Rule] = ()
    templates: Sequence[KeyTemplate] = (DEFAULT_KEYS,)

    @property
    def backend(self) -> GuardedStorage:
        """The storage for new images to which no rule applies."""
        return self.by_name[self.main]

    def name_for(self, document: Import) -> str:
        """The name of the storage for the image of an import that is not done."""
        return storage_by(self.rules, document) or self.main

    @property
    def places(self) -> tuple[str, ...]:
        """The storages that may have the bytes of an import that is not done, second copies included.

        Its rule does not say which: the rules may be others than those of the attempt that saved the bytes.
        """
        mirror = () if self.mirror is None else (self.mirror,)
        return tuple(dict.fromkeys((self.main, *(rule.storage for rule in self.rules), *mirror)))

    def key_for(self, document: Import) -> str | None:
        """The key that a new import keeps; None for the key that its id gives."""
        template = self.templates[0]
        return None if template == DEFAULT_KEYS else template.key_of(document)

    def makes(self, key: str) -> bool:
        """Whether imports have, or have had, such keys."""
        first = first_key(key)
        return any(template.makes(first) for template in (DEFAULT_KEYS, *self.templates))

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
