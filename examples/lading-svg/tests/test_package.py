"""What the distribution declares, and what it imports."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from lading_svg.detector import SvgDetector
from lading_svg.suite import SvgSuite
from tests.support import README

PACKAGE, TESTS = README.parent / "lading_svg", README.parent / "tests"
RUNNING = {"lading.plugins", "lading.plugins.errors", "lading.plugins.options", "pydantic", "lading_svg"}
TESTING = RUNNING | {"lading.plugins.testing", "pytest", "hypothesis", "tests"}
FOR_TESTS = {"samples.py", "suite.py"}
MODULES = sorted(PACKAGE.glob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            yield node.module


def strangers(path: Path, allowed: set[str]) -> list[str]:
    return [
        name
        for name in imported(path)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and name not in allowed
        and (name.startswith("lading.") or name.partition(".")[0] not in allowed)
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_of_lading_the_package_imports_the_contract_alone(path: Path) -> None:
    assert strangers(path, TESTING if path.name in FOR_TESTS else RUNNING) == []


@pytest.mark.parametrize("path", sorted(TESTS.glob("*.py")), ids=lambda path: path.name)
def test_of_lading_the_tests_import_the_contract_and_the_kit_alone(path: Path) -> None:
    assert strangers(path, TESTING) == []


def test_what_runs_in_the_service_does_not_import_what_is_for_tests() -> None:
    running = [path for path in MODULES if path.name not in FOR_TESTS]
    for_tests = {f"lading_svg.{name.removesuffix('.py')}" for name in FOR_TESTS}
    assert not for_tests & {name for path in running for name in imported(path)}


def test_nothing_that_could_fetch_is_imported() -> None:
    network = {"socket", "ssl", "http", "urllib.request", "ftplib", "asyncio.streams", "subprocess"}
    assert not network & {name for path in MODULES for name in imported(path)}


def test_entry_points() -> None:
    (detector,) = entry_points(group="lading.detectors", name="svg")
    assert detector.load() is SvgDetector
    (suite,) = entry_points(group="lading.suites", name="detect.svg")
    assert suite.load() is SvgSuite
