"""The faults of a configuration."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. It never repeats a value, which may be a secret.

    Attributes:
        problem: the fault, for the operator.
        section: section of ``service.conf``; empty if no section is at fault.
        key: the option; empty if the section itself is at fault.
        where: the file (with ``:line`` for an unreadable line) or the environment variable at fault; empty if the fault
            is not in a text.
    """

    problem: str
    section: str = ""
    key: str = ""
    where: str = ""

    def __str__(self) -> str:
        place = f"[{self.section}] {self.key}".rstrip() if self.section else ""
        return ": ".join(part for part in (self.where, place, self.problem) if part)


class SettingsError(Exception):
    """The configuration cannot be used.

    Attributes:
        faults: every fault, at least one.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))
