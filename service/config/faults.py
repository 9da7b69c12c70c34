"""What is wrong with a configuration."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. It never repeats a value, which may be a secret.

    Attributes:
        problem: what is wrong, for the operator.
        section: section of ``service.conf``, or empty where none is concerned.
        key: the option, or empty where the fault concerns the section.
        where: the file (with ``:line`` where the line cannot be read) or the environment variable that holds the
            fault; empty for a fault of something that is not written anywhere.
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
        faults: everything that is wrong with it, at least one.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))
