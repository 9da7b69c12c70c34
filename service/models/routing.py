"""Rules that choose the storage of an import by its organisation, its issuer or its album."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Protocol

_CONDITIONS: Final = ("organization", "issuer", "album")


class Owned(Protocol):
    """An import, or a source: whose it is."""

    @property
    def organization_id(self) -> str | None: ...

    @property
    def issuer_id(self) -> str | None: ...

    @property
    def album_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule; an import fits that fulfils every condition that is not None.

    Attributes:
        storage: the name of the storage for the imports that fit.
        organization: the id of their organisation.
        issuer: the id of their issuer.
        album: a pattern of their album: ``*`` stands for any characters and ``?`` for any one. An import without an
            album fits no pattern.
    """

    storage: str
    organization: str | None = None
    issuer: str | None = None
    album: str | None = None

    @classmethod
    def parsed(cls, text: str) -> "Rule":
        """The rule with this text: ``organization:ID=storage``, ``organization:ID & album:PATTERN=storage``.

        Raises:
            ValueError: it is no rule; the message names the faulty part.
        """
        conditions, equals, storage = (part.strip() for part in text.rpartition("="))
        if not equals or not storage:
            raise ValueError(f"'{text}' is no rule such as organization:ID=storage or album:press-*=storage")
        found: dict[str, str] = {}
        for condition in conditions.split("&"):
            kind, colon, value = (part.strip() for part in condition.partition(":"))
            if not colon or kind not in _CONDITIONS:
                kinds = ", ".join(f"{one}:" for one in _CONDITIONS)
                raise ValueError(f"'{condition.strip()}' in the rule '{text}' begins with none of {kinds}")
            if not value:
                raise ValueError(f"'{condition.strip()}' in the rule '{text}' has no value")
            if kind in found:
                raise ValueError(f"the rule '{text}' has two conditions {kind}:")
            found[kind] = value
        return cls(storage, **found)

    def fits(self, document: Owned) -> bool:
        """Whether the import fulfils the conditions."""
        return (
            (self.organization is None or document.organization_id == self.organization)
            and (self.issuer is None or document.issuer_id == self.issuer)
            and (self.album is None or (document.album_id is not None and _matches(document.album_id, self.album)))
        )


def _matches(album: str, pattern: str) -> bool:
    """Whether an album matches; ``[`` stands for itself."""
    return fnmatchcase(album, pattern.replace("[", "[[]"))


def storage_by(rules: Sequence[Rule], document: Owned) -> str | None:
    """The storage of the first rule that fits; None if none fits."""
    return next((rule.storage for rule in rules if rule.fits(document)), None)
