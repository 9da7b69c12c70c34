"""The part of the audit that looks at database and disk alone, with the ledger of what clients were told."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.audit.databases import Row
from tests.chaos.audit.ledger import FINAL, Ledger


@dataclass(frozen=True, slots=True)
class Places:
    """Where bytes may be."""

    images: Path
    spool: Path
    uploads: Path

    def objects(self) -> dict[str, Path]:
        """The objects by their keys."""
        return {
            str(path.relative_to(self.images)): path
            for path in self.images.rglob("*")
            if path.is_file() and not path.relative_to(self.images).parts[0].startswith((".", "lost+found"))
        }

    def leftovers(self) -> list[Path]:
        """Temporary files, whoever they belong to."""
        folders = (self.images / ".incoming", self.spool)
        return [path for folder in folders if folder.exists() for path in folder.rglob("*") if path.is_file()]


@dataclass(frozen=True, slots=True)
class Inspection:
    """Compares rows with files. What it finds goes to the ledger's figures."""

    ledger: Ledger
    places: Places

    def compare(self, rows: Sequence[Row], sums: Mapping[str, int], *, is_last: bool) -> None:
        """All of it.

        Args:
            rows: of all imports.
            sums: what counts against the quota of each organisation.
            is_last: no removal is to be under way any more.
        """
        objects = self.places.objects()  # after the rows: what is removed meanwhile is in neither
        self.compare_rows(rows)
        self.compare_objects(rows, objects, is_last=is_last)
        self.compare_images(rows, objects)
        self.compare_groups(rows)
        self.compare_quotas(rows, sums, objects)

    def compare_rows(self, rows: Sequence[Row]) -> None:
        """Every acknowledged import has a row, unless it was to be deleted; every row with a source is final."""
        ids = {row.id for row in rows}
        for cargo in self.ledger.cargo.values():
            if cargo.id not in ids and not cargo.delete:
                self._found("lost", f"{cargo.id} has no row")
        for row in rows:
            if row.status not in FINAL and (row.url or row.id in self.ledger.cargo):
                self._found("stuck", f"{row.id} is {row.status} in the database")

    def compare_objects(self, rows: Sequence[Row], objects: Mapping[str, Path], *, is_last: bool) -> None:
        """Every object has a document that names it, and no two."""
        owned = Counter(row.key for row in rows if row.has_object)
        spared = _under_way(rows) | {row.id for row in rows if row.is_stopping and not is_last}
        for key in objects:
            if key not in owned and _import_of(key) not in spared:
                self._found("orphans", f"{key}: {_told(rows, key)}")
        self._twice((f"{key} belongs to {number} imports", number) for key, number in owned.items())
        names = Counter(map(_import_of, objects))
        self._twice((f"{name} is stored {number} times", number) for name, number in names.items())

    def compare_images(self, rows: Sequence[Row], objects: Mapping[str, Path]) -> None:
        """Every image that is done and not deleted has its object, byte by byte."""
        for row in rows:
            if row.status != "done" or row.image_deleted:
                continue
            key = row.key or row.shared_key or ""
            content = objects[key].read_bytes() if key in objects else None
            if content is None:
                self._found("dangling", f"{row.id} is done, and there is no object {key}")
            elif (len(content), hashlib.sha256(content).hexdigest()) != (row.byte_size, row.sha256):
                self._found("partial", f"{key}: not the bytes that {row.id} tells of")

    def compare_groups(self, rows: Sequence[Row]) -> None:
        """Of the imports of a group one has an object, unless a client has deleted some of them meanwhile."""
        deleted = {one.group for one in self.ledger.cargo.values() if one.delete or one.image_delete}
        owners = Counter(
            self.ledger.cargo[row.id].group for row in rows if row.has_object and row.id in self.ledger.cargo
        )
        self._twice(
            (f"{number} imports of the group {group} have an object of their own", number)
            for group, number in owners.items()
            if group and group not in deleted
        )

    def compare_quotas(self, rows: Sequence[Row], sums: Mapping[str, int], objects: Mapping[str, Path]) -> None:
        """What counts against quotas is what is stored."""
        wanted: Counter[str] = Counter()
        for row in rows:
            if row.has_object:
                wanted[row.organization] += row.byte_size
        for organization, number in sums.items():
            if number != wanted[organization]:
                text = f"{organization} counts {number} bytes, its images have {wanted[organization]}"
                self._found("wrong quotas", text)
        if not any(row.is_stopping for row in rows):
            under_way = _under_way(rows)
            size = sum(path.stat().st_size for key, path in objects.items() if _import_of(key) not in under_way)
            if size != wanted.total():
                self._found("wrong quotas", f"{size} bytes are stored, {wanted.total()} are counted")

    def compare_leftovers(self, rows: Sequence[Row]) -> None:
        """No temporary file is left, nor the file of an upload that has ended."""
        waiting = {row.id for row in rows if row.status not in FINAL}
        uploads = [path for path in self.places.uploads.glob("*.part") if path.stem not in waiting]
        for path in (*self.places.leftovers(), *uploads):
            self._found("leftovers", str(path))

    def _twice(self, numbers: Iterable[tuple[str, int]]) -> None:
        for text, number in numbers:
            if number > 1:
                self._found("twice", text)

    def _found(self, kind: str, text: str) -> None:
        self.ledger.figures.found(kind, text)


def _import_of(key: str) -> str:
    return key.rpartition("/")[2]


def _under_way(rows: Sequence[Row]) -> set[str]:
    """Imports whose object becomes their own when they end, and counts from then on.

    One whose client was never answered may wait for its bytes for long: nobody knows its id.
    """
    return {row.id for row in rows if row.status not in FINAL}


def _told(rows: Sequence[Row], key: str) -> str:
    """What the database says of an object's import."""
    row = next((one for one in rows if one.id == key.rpartition("/")[2]), None)
    return "no such import" if row is None else f"its import is {row.status}, image purged: {row.image_purged}"
