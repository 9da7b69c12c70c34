"""What was measured: rows of values, each beside those of its reference, and the goal that it is to reach."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Measure(StrEnum):
    """What a goal bounds.

    Attributes:
        RATIO: value by value of the reference, round by round.
        VALUE: the value itself.
        DIFFERENCE: value less that of the reference, round by round.
    """

    RATIO = "ratio"
    VALUE = "value"
    DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row is to reach: at least the bound where higher is better, at most where lower is.

    Attributes:
        measure: of the row; its median counts.
        bound: a number without unit for a ratio, else in the row's unit.
    """

    measure: Measure
    bound: float


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        """The spread of the values; None where there are none."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        name: of what was measured.
        unit: of the values.
        values: one for each round; none where it could not be measured, and ``note`` says why.
        reference: name of what it is compared with.
        reference_values: what that had in the same rounds, in the same order; none where it could not be measured.
        higher_is_better: whether a higher value is better.
        goal: what the row is to reach, or None.
        tried: operations of all rounds; 0 where they are not counted.
        succeeded: how many of them did what they should.
        note: shown beside the row.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    reference: str
    reference_values: tuple[float, ...]
    higher_is_better: bool = True
    goal: Goal | None = None
    tried: int = 0
    succeeded: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be compared.

        Raises:
            ValueError: both were measured, in different numbers of rounds.
        """
        if self.values and self.reference_values and len(self.values) != len(self.reference_values):
            raise ValueError(f"{self.name}: {len(self.values)} values, {len(self.reference_values)} of its reference")

    @property
    def value(self) -> Spread | None:
        """Of the values."""
        return Spread.of(self.values)

    @property
    def ratio(self) -> Spread | None:
        """Of the ratios to the reference, round by round; a reference of 0 has none."""
        pairs = self._pairs()
        return Spread.of([value / reference for value, reference in pairs]) if all(two for _, two in pairs) else None

    @property
    def difference(self) -> Spread | None:
        """Of the differences to the reference, round by round."""
        return Spread.of([value - reference for value, reference in self._pairs()])

    @property
    def judged(self) -> Spread | None:
        """Of what the goal bounds; None without a goal, or where that is not known."""
        if self.goal is None:
            return None
        return {Measure.RATIO: self.ratio, Measure.VALUE: self.value, Measure.DIFFERENCE: self.difference}[
            self.goal.measure
        ]

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal, or where that is not known."""
        judged = self.judged
        if self.goal is None or judged is None:
            return None
        return judged.median >= self.goal.bound if self.higher_is_better else judged.median <= self.goal.bound

    @property
    def goal_as_ratio(self) -> float | None:
        """The ratio at which the goal would be reached, with the reference's median where the goal is no ratio."""
        reference = Spread.of(self.reference_values)
        if self.goal is None or reference is None or not reference.median:
            return None
        if self.goal.measure is Measure.RATIO:
            return self.goal.bound
        wanted = self.goal.bound + (reference.median if self.goal.measure is Measure.DIFFERENCE else 0)
        return wanted / reference.median

    @property
    def success(self) -> float | None:
        """Share of the operations that succeeded; None where they are not counted."""
        return self.succeeded / self.tried if self.tried else None

    def _pairs(self) -> list[tuple[float, float]]:
        return list(zip(self.values, self.reference_values, strict=False))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that belong together.

    Attributes:
        title: of the table.
        text: what was measured, and how: a sentence or a few.
        is_drawn: whether the plot shows it.
    """

    title: str
    text: str
    rows: tuple[Row, ...]
    is_drawn: bool = True


@dataclass(frozen=True, slots=True)
class Findings:
    """What one section of the rig found.

    Attributes:
        section: its name.
        began: when, in UTC, as ISO 8601 says it.
        seconds: how long it took.
        commit: of Lading's sources, with ``+`` where they were changed; empty where that is not known.
        tables: in the order in which they are shown; none where the section failed.
        failure: why it could not be measured; else empty.
    """

    section: str
    began: str
    seconds: float
    commit: str
    tables: tuple[Table, ...]
    failure: str = ""
