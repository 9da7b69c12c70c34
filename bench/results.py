"""The raw results as a JSON file, from which the report can be made again without measuring."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.rows import Findings, Goal, Measure, Row, Table

VERSION = 1


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that a report shows.

    Attributes:
        mode: how much was measured.
        facts: of the machine and the versions.
        sections: in the order in which they are shown.
    """

    mode: str
    facts: Mapping[str, str]
    sections: Sequence[Findings]

    def with_earlier(self, earlier: "Results | None", order: Sequence[str]) -> "Results":
        """These, and what earlier ones of the same mode, machine and versions have beside; in that order."""
        found = {one.section: one for one in self.sections}
        if earlier is not None and (earlier.mode, dict(earlier.facts)) == (self.mode, dict(self.facts)):
            found = {one.section: one for one in earlier.sections} | found
        return Results(self.mode, self.facts, [found[name] for name in order if name in found])


def save(results: Results, path: Path) -> None:
    """Write the file, whole or not at all."""
    content = {"version": VERSION, **asdict(results)}
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def load(path: Path) -> Results:
    """Read the file.

    Raises:
        OSError: there is none.
        ValueError: it holds no results, or those of another version of the rig.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise ValueError(f"{path} holds no results of this rig")
    return Results(content["mode"], content["facts"], [_findings(one) for one in content["sections"]])


def load_if_any(path: Path) -> Results | None:
    """Read the file; None where there is none that can be used."""
    try:
        return load(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _findings(content: dict[str, Any]) -> Findings:
    return Findings(**{**content, "tables": tuple(_table(one) for one in content["tables"])})


def _table(content: dict[str, Any]) -> Table:
    return Table(**{**content, "rows": tuple(_row(one) for one in content["rows"])})


def _row(content: dict[str, Any]) -> Row:
    goal = content["goal"] and Goal(Measure(content["goal"]["measure"]), content["goal"]["bound"])
    values = {name: tuple(content[name]) for name in ("values", "reference_values")}
    return Row(**{**content, **values, "goal": goal})
