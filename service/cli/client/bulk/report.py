"""How ``lading bulk`` shows how far it is: bars on a terminal, a line every ten seconds elsewhere, sums at the end."""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from .....client import LadingError
from ..connecting import printable
from .journal import Sums
from .rows import Row

EVERY: Final = 10.0
"""Seconds between two lines."""
SHOWN_FAULTS: Final = 20
"""Rows with faults that are printed."""
SPEED_SECONDS: Final = 60.0


class Report:
    """Shows the progress. A context manager.

    Args:
        before: what earlier runs have done.
        total: rows of the list, as far as that is known by now.
        is_json: whether lines are JSON.
        is_awaited: whether the ends of the imports count, or that they are accepted.
    """

    def __init__(self, before: Sums, total: Callable[[], int | None], *, is_json: bool, is_awaited: bool) -> None:
        self._total = total
        self._is_json = is_json
        self._is_awaited = is_awaited
        self._rows = before.rows
        self._ended = Counter(before.ended)
        self._refused = before.refused
        self._faults = 0
        self._began = self._told = time.monotonic()
        self._at_first = self._over
        self._stack = ExitStack()
        self._bars = _Bars() if sys.stderr.isatty() and not is_json else None

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._stack.enter_context(self._bars.progress)
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def _over(self) -> int:
        """Rows with which nothing more happens."""
        return self._refused + sum(self._ended.values()) if self._is_awaited else self._rows

    @property
    def _speed(self) -> float:
        return (self._over - self._at_first) / max(time.monotonic() - self._began, 1e-3)

    def sent(self, rows: Sequence[Row], refused: Mapping[str, int]) -> None:
        """A part was sent."""
        self._rows += len(rows)
        self._refused += sum(refused.values())
        for row in rows:
            if row.params is None:
                self._faults += 1
                if self._faults <= SHOWN_FAULTS:
                    more = " Further rows with faults are only counted." if self._faults == SHOWN_FAULTS else ""
                    self._say(f"Row {row.number}: {printable(row.fault)}.{more}")
        self._show()

    def ended(self, statuses: Mapping[str, int]) -> None:
        """Imports have ended."""
        self._ended.update(statuses)
        self._show()

    def waits(self, error: LadingError) -> None:
        """The service is away, or refuses for the time being."""
        self._say(f"Waiting for the service: {printable(str(error))}")

    def _say(self, line: str) -> None:
        if self._bars is not None:
            self._bars.progress.console.print(Text(line), soft_wrap=True)
        else:
            sys.stderr.write(f"{line}\n")

    def _show(self) -> None:
        if self._bars is not None:
            self._bars.show(self._rows, self._over, self._total(), self._speed, is_awaited=self._is_awaited)
            return
        now = time.monotonic()
        if now - self._told < EVERY:
            return
        self._told = now
        total = self._total()
        if self._is_json:
            sys.stdout.write(f"{json.dumps({'progress': self._numbers(total)})}\n")
            sys.stdout.flush()
        else:
            self._say(self._line(total))

    def _numbers(self, total: int | None) -> dict[str, Any]:
        speed = self._speed
        left = None if total is None or not speed else max(0, round((total - self._over) / speed))
        return {
            "rows": self._rows,
            "total": total,
            "done": self._ended["done"],
            "failed": self._refused + self._ended["failed"],
            "per_second": round(speed, 1),
            "seconds_left": left,
        }

    def _line(self, total: int | None) -> str:
        numbers = self._numbers(total)
        of = "" if total is None else f" of about {total:,}"
        line = f"{self._rows:,}{of} rows sent, {numbers['done']:,} imported, {numbers['failed']:,} failed"
        line += f"; {numbers['per_second']:,} a second"
        left = numbers["seconds_left"]
        return line if left is None else f"{line}, {_duration(left)} left"


class _Bars:
    """The bars of a terminal: the rows that are sent, and those that are over."""

    def __init__(self) -> None:
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[count]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True, highlight=False),
            speed_estimate_period=SPEED_SECONDS,
        )
        self._sent = self.progress.add_task("sent", total=None, count="")
        self._over = self.progress.add_task("imported", total=None, count="")

    def show(self, sent: int, over: int, total: int | None, speed: float, *, is_awaited: bool) -> None:
        of = "" if total is None else f"/{total:,}"
        self.progress.update(self._sent, completed=sent, total=total, count=f"{sent:,}{of}")
        count = f"{over:,} {speed:,.0f}/s"
        self.progress.update(self._over, completed=over, total=total, count=count, visible=is_awaited)


def conclude(sums: Sums, *, is_json: bool, is_awaited: bool) -> None:
    """Print the sums, and the failures by code."""
    if is_json:
        sys.stdout.write(f"{json.dumps({'summary': summary(sums)})}\n")
        return
    lines = [sentence(sums, is_awaited=is_awaited)]
    width = max((len(f"{count:,}") for count in sums.failures.values()), default=0)
    lines += [f"  {count:>{width},} {code}" for code, count in sums.failures.items()]
    sys.stderr.write("\n".join(lines) + "\n")


def summary(sums: Sums) -> dict[str, Any]:
    """The sums as JSON."""
    ended = {name: sums.ended.get(name, 0) for name in ("done", "failed", "cancelled", "unknown")}
    return {
        "rows": sums.rows,
        "accepted": sums.accepted,
        "refused": sums.refused,
        **ended,
        "failures": dict(sums.failures),
    }


def sentence(sums: Sums, *, is_awaited: bool) -> str:
    """The sums as a line for people."""
    ended = Counter(sums.ended)
    parts = [f"{sums.rows:,} rows", f"{ended['done']:,} imported"]
    parts.append(f"{sums.refused + ended['failed']:,} failed")
    if ended["cancelled"]:
        parts.append(f"{ended['cancelled']:,} cancelled")
    if ended["unknown"]:
        parts.append(f"{ended['unknown']:,} unknown to the service")
    left = sums.accepted - sum(ended.values())
    if left:
        parts.append(f"{left:,} under way" if is_awaited else f"{left:,} accepted")
    return f"{parts[0]}: {', '.join(parts[1:])}."


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{rest} s"
