"""Which imports are too old."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from ...config.sections.retention import RetentionSettings
from ...models import Import, Status

FINAL: Final = tuple(status for status in Status if status.is_final)


@dataclass(frozen=True, slots=True)
class Policy:
    """How long imports are kept after their last change; None is for ever.

    Attributes:
        ages: by state.
        albums: patterns of albums with an age of their own, whatever the state; the first that fits counts.
        keeps_images: whether storage keeps the images of removed imports.
        rest: a pause after a removal is so many times as long as the removal.
    """

    ages: Mapping[Status, timedelta | None] = field(default_factory=dict)
    albums: Sequence[tuple[str, timedelta | None]] = ()
    keeps_images: bool = True
    rest: float = 0.0

    @classmethod
    def of(cls, settings: RetentionSettings) -> "Policy":
        """As the configuration says."""
        return cls(
            ages={status: _age(getattr(settings, status.value)) for status in FINAL},
            albums=[(pattern, _age(seconds)) for pattern, seconds in settings.album_exceptions.items()],
            keeps_images=settings.images == "keep",
            rest=settings.rest,
        )

    @property
    def statuses(self) -> Sequence[Status]:
        """The states in which an import may be too old."""
        return [status for status in FINAL if self._least(status) is not None]

    def before(self, status: Status, now: datetime) -> datetime | None:
        """No import of the state that has changed since then is too old; None if none ever is."""
        age = self._least(status)
        return None if age is None else now - age

    def is_too_old(self, document: Import, now: datetime) -> bool:
        """Whether the import must go."""
        if not document.status.is_final or document.deleted_at is not None:
            return False
        age = self._age_of(document.status, document.album_id)
        return age is not None and document.updated_at < now - age

    def _age_of(self, status: Status, album_id: str | None) -> timedelta | None:
        if album_id is not None:
            for pattern, age in self.albums:
                if fnmatchcase(album_id, pattern):
                    return age
        return self.ages.get(status)

    def _least(self, status: Status) -> timedelta | None:
        ages = [self.ages.get(status), *(age for _, age in self.albums)]
        return min((age for age in ages if age is not None), default=None)


def _age(seconds: int | None) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None
