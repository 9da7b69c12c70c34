"""The rooms: their picture in the docs, what each says of itself, how many entries it has, and how these are named."""

import ast
import re
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
PACKAGES = ("service", "backends", "plugins", "client")
PREFIX = {"service": "", "backends": "backends.", "plugins": "plugins.", "client": "client."}
"""Before the name of a room in the diagram: names of the service's rooms stand alone."""
MOST_ENTRIES = 16
"""What a reader takes in at one look is about a dozen names. ``service`` itself has 15 rooms and its ``__init__``, so a
bound below 16 would not hold for the one folder that everybody opens first."""
SUFFIXES = (
    *("ations", "ation", "ments", "ment", "ings", "ing", "ions", "ion", "ers", "er", "ors", "or", "ies", "es", "ed"),
    *("al", "s", "e", "y"),
)
BEGIN = re.compile(r"\bBegin with ``")
USES = re.compile(r"\b(?:may use|uses?|knows?|imports)\b")


def contracts() -> Sequence[Mapping[str, Any]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: Sequence[Mapping[str, Any]] = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return found


def ruled() -> tuple[set[str], set[tuple[str, str]]]:
    """The rooms and arrows that import-linter's layers draw, by their names in the diagram."""
    rooms: set[str] = set()
    arrows: set[tuple[str, str]] = set()
    for contract in contracts():
        if contract["type"] != "layers":
            continue
        containers = contract.get("containers")
        prefix = PREFIX[containers[0].removeprefix("lading.")] if containers else ""
        layers = [
            [prefix + name.strip().removeprefix("lading.") for name in layer.split("|")] for layer in contract["layers"]
        ]
        rooms |= {name for layer in layers for name in layer}
        arrows |= {(above, below) for upper, lower in pairwise(layers) for above in upper for below in lower}
    return rooms, arrows


def drawn(diagram: str) -> tuple[set[str], set[tuple[str, str]]]:
    """The same of a Mermaid flowchart."""
    rooms = set(re.findall(r"^ *(?:subgraph )?([\w.]+)\[\"", diagram, re.MULTILINE))
    arrows: set[tuple[str, str]] = set()
    for line in diagram.splitlines():
        steps = [[name.strip() for name in step.split("&")] for step in line.split("-->")]
        arrows |= {(above, below) for upper, lower in pairwise(steps) for above in upper for below in lower}
    return rooms, arrows


def diagram() -> str:
    text = PAGE.read_text(encoding="utf-8")
    return text.partition("```mermaid\n")[2].partition("```")[0]


def test_the_diagram_has_the_rooms_and_arrows_of_the_import_rules() -> None:
    assert drawn(diagram()) == ruled()
    assert len(ruled()[0]) > 30


def test_an_arrow_that_is_missing_or_wrong_is_noticed() -> None:
    assert drawn(diagram().replace("work --> images", "images --> work")) != ruled()
    assert drawn(diagram().replace("imports --> work --> ", "imports --> ")) != ruled()
    assert drawn(diagram().replace(" & plugins.options", "")) != ruled()
    assert drawn(diagram().replace('    secrets["secrets', '    safes["secrets')) != ruled()


def test_every_room_stands_in_the_layers_of_its_package() -> None:
    exhaustive = {c["containers"][0]: c["exhaustive"] for c in contracts() if c.get("containers")}
    assert exhaustive == {f"lading.{package}": True for package in PACKAGES}


def test_every_file_that_the_page_names_exists() -> None:
    named = re.findall(r"`((?:service|backends|plugins|client|tests|docs)/[\w./]*)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []


def packages() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted(path.parent for path in (ROOT / package).rglob("__init__.py"))


@pytest.mark.parametrize("package", [*packages()], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_room_says_what_it_is_for_what_it_may_use_and_where_to_begin(package: Path) -> None:
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    purpose, _, rest = text.partition("\n\n")
    assert len(purpose.split()) >= 4, "it does not say what it is for"
    assert USES.search(rest), "it does not say what it may use"
    assert BEGIN.search(rest), "it does not say where to begin"


def folders() -> dict[str, set[str]]:
    """The entries of every folder that git knows, without what only this machine has."""
    command = ["git", "ls-files", "-z", *PACKAGES, "tests"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: dict[str, set[str]] = defaultdict(set)
    for name in filter(None, listed.split("\0")):
        path = PurePosixPath(name)
        for entry, folder in zip([path, *path.parents], path.parents, strict=False):
            if folder.name:
                found[str(folder)].add(entry.name)
    return found


def stem(word: str) -> str:
    """A word without the syllables by which it differs from its sisters: copies, copying; guards, guarded."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return stem(word.removesuffix(suffix))
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def alike(entries: set[str]) -> list[list[str]]:
    """Groups of entries whose names differ by a syllable at most.

    ``test_x`` beside ``x`` is no such group: it carries the name of what it tests. Nor is a file of other kinds beside
    the module of the same name (``sample.jpg``), which a reader does not open to find code.
    """
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for entry in sorted(entries):
        name, _, kind = entry.partition(".")
        if kind in {"", "py"} and not name.startswith("__"):
            groups[tuple(map(stem, name.split("_")))].append(entry)
    return [group for group in groups.values() if len(group) > 1]


def test_no_folder_shows_more_than_a_reader_takes_in() -> None:
    full = {folder: len(entries) for folder, entries in folders().items() if len(entries) > MOST_ENTRIES}
    assert full == {}


def test_no_two_names_of_a_room_differ_by_a_syllable() -> None:
    assert {folder: found for folder, entries in folders().items() if (found := alike(entries))} == {}


@pytest.mark.parametrize(
    "names",
    [
        {"guards.py", "guarded.py"},
        {"mirror.py", "mirroring.py"},
        {"imports", "importer.py"},
        {"moving.py", "move.py"},
        {"test_copies.py", "test_copying.py"},
        {"events_process.py", "event_processes.py"},
    ],
)
def test_names_that_differ_by_a_syllable_are_noticed(names: set[str]) -> None:
    assert alike(names) == [sorted(names)]


def test_other_names_are_not() -> None:
    assert alike({"images", "imports", "errors.py", "events.py", "test_events.py", "sample.py", "sample.jpg"}) == []
