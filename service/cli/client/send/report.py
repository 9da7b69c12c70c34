"""How ``lading import`` shows what becomes of the items: bars on a terminal, lines or JSON elsewhere."""

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any, Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from .....client import Import, LadingError
from ..connecting import printable, readable
from .sources import Item, LocalFile

BARS: Final = 8
"""Files whose own bars are shown at once."""
SMALL: Final = 1024 * 1024
"""Files below this size have no bar of their own."""
NAME: Final = 24


@dataclass(frozen=True, slots=True)
class Ended:
    """How an item ended.

    Attributes:
        item: the item.
        status: ``done``, ``failed`` or ``accepted``.
        import_id, image_id: empty if there is none.
        byte_size: bytes of the image.
        error: why it failed.
    """

    item: Item
    status: str
    import_id: str = ""
    image_id: str = ""
    byte_size: int = 0
    error: LadingError | None = None

    @classmethod
    def of(cls, item: Item, document: Import | None, error: LadingError | None, import_id: str = "") -> Self:
        """How an item ended, by its import or by what was raised."""
        if document is not None and document.is_done and document.image is not None:
            return cls(item, "done", document.id, document.image_id or "", document.image.byte_size)
        import_id = import_id or (document.id if document is not None else "")
        if document is not None and document.is_final:  # its own words, without its id
            problem = document.error
            code = problem.code if problem is not None else str(document.status)
            error = LadingError(code, detail=problem.detail if problem is not None else "")
        return cls(item, "failed" if error is not None else "accepted", import_id, error=error)


@dataclass(slots=True)
class Counts:
    """The results so far.

    Attributes:
        done, failed, accepted: items.
        byte_size: bytes of the images.
    """

    done: int = 0
    failed: int = 0
    accepted: int = 0
    byte_size: int = 0

    def add(self, ended: Ended) -> None:
        """Count an item."""
        setattr(self, ended.status, getattr(self, ended.status) + 1)
        self.byte_size += ended.byte_size

    def sentence(self, total: int) -> str:
        """A line for people."""
        parts = [f"{self.done} of {total} imported"]
        if self.accepted:
            parts.append(f"{self.accepted} accepted")
        parts.append(f"{self.failed} failed")
        left = total - self.done - self.failed - self.accepted
        if left:
            parts.append(f"{left} not sent")
        return f"{', '.join(parts)}; {readable(self.byte_size)}."


class Report:
    """Shows what happens, and writes the failures into a file. A context manager.

    Args:
        total: items.
        total_bytes: of the files among them.
        is_json: whether standard output gets a line of JSON for each item.
        failures: gets the failed items as NDJSON; None for nowhere.
    """

    def __init__(self, total: int, total_bytes: int, *, is_json: bool, failures: IO[str] | None) -> None:
        self.counts = Counts()
        self._total = total
        self._is_json = is_json
        self._failures = failures
        self._has_lines = is_json or not (sys.stdout.isatty() and sys.stderr.isatty())
        has_bars = sys.stderr.isatty() and not (self._has_lines and sys.stdout.isatty())
        self._bars = _Bars(total, total_bytes) if has_bars else None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._stack.enter_context(self._bars.progress)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sent(self, file: LocalFile, offset: int) -> None:
        """The service has so many bytes of a file."""
        if self._bars is not None:
            self._bars.sent(file, offset)

    def ended(self, ended: Ended) -> None:
        """An item ended."""
        self.counts.add(ended)
        error = ended.error
        if self._failures is not None and error is not None:
            problem = {"code": error.code, "detail": error.detail, "import_id": ended.import_id or None}
            self._failures.write(f"{json.dumps({**ended.item.entry, 'error': problem})}\n")
        if self._is_json:
            sys.stdout.write(f"{json.dumps(_document(ended))}\n")
            sys.stdout.flush()
        elif self._has_lines:
            sys.stdout.write(f"{_line(ended)}\n")
            sys.stdout.flush()
        elif self._bars is not None and error is not None:
            self._bars.say(f"failed: {printable(ended.item.label)}: {printable(error.detail)} ({error.code})")
        if self._bars is not None:
            self._bars.ended(ended)

    def close(self) -> None:
        """Print the sums."""
        if self._bars is not None:
            self._bars.close()
        self._stack.close()
        sums = self.counts
        if self._is_json:
            summary = {"total": self._total, "done": sums.done, "accepted": sums.accepted, "failed": sums.failed}
            sys.stdout.write(f"{json.dumps({'summary': {**summary, 'byte_size': sums.byte_size}})}\n")
        else:
            sys.stderr.write(f"{sums.sentence(self._total)}\n")


class _Bars:
    """The bars of a terminal: one for all items, and one for each of the larger files that are being sent."""

    def __init__(self, total: int, total_bytes: int) -> None:
        self.progress = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            BarColumn(bar_width=None),
            _Amount(),
            _Speed(),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True, highlight=False),
        )
        # Bytes tell the time that is left better than items do, where all bytes are known.
        self._items = self.progress.add_task("", total=total, name="images", count=True)
        self._bytes = self.progress.add_task("", total=total_bytes, name="bytes") if total_bytes else None
        self._files: dict[LocalFile, int] = {}
        self._shown: dict[LocalFile, TaskID] = {}

    def sent(self, file: LocalFile, offset: int) -> None:
        before = self._files.get(file, 0)
        self._files[file] = offset
        if self._bytes is not None:
            self.progress.advance(self._bytes, offset - before)
        if file.size < SMALL:
            return
        if file not in self._shown and len(self._shown) < BARS:
            name = printable(file.path.name)
            shown = name if len(name) <= NAME else f"{name[: NAME - 1]}…"
            self._shown[file] = self.progress.add_task("", total=file.size, name=shown)
        if file in self._shown:
            self.progress.update(self._shown[file], completed=offset)

    def ended(self, ended: Ended) -> None:
        self.progress.advance(self._items)
        if isinstance(ended.item, LocalFile):
            self.sent(ended.item, ended.item.size)
            self._files.pop(ended.item, None)
            if (task := self._shown.pop(ended.item, None)) is not None:
                self.progress.remove_task(task)

    def close(self) -> None:
        for task in self._shown.values():
            self.progress.remove_task(task)
        self._shown.clear()

    def say(self, line: str) -> None:
        self.progress.console.print(Text(line), soft_wrap=True)


class _Speed(TransferSpeedColumn):
    """Items or bytes in a second."""

    def render(self, task: Any) -> Text:
        if not task.fields.get("count"):
            return super().render(task)
        return Text(f"{task.finished_speed or task.speed or 0:.1f}/s", style="progress.data.speed")


class _Amount(DownloadColumn):
    """Items or bytes, of how many."""

    _items: Final = MofNCompleteColumn()

    def render(self, task: Any) -> Text:
        return self._items.render(task) if task.fields.get("count") else super().render(task)


def _line(ended: Ended) -> str:
    label = printable(ended.item.label)
    if ended.error is not None:
        return f"failed\t{ended.import_id or '-'}\t{label}\t{ended.error.code}: {printable(ended.error.detail)}"
    return f"{ended.status}\t{ended.import_id}\t{label}"


def _document(ended: Ended) -> dict[str, Any]:
    document: dict[str, Any] = {
        "status": ended.status,
        "source": ended.item.label,
        "import_id": ended.import_id or None,
        "image_id": ended.image_id or None,
    }
    if ended.error is not None:
        document["error"] = {"code": ended.error.code, "detail": ended.error.detail}
    return document
