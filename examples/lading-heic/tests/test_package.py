"""What the distribution declares, and what it imports."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from lading_heic.detector import HeicDetector
from lading_heic.processor import HeicProcessor
from lading_heic.suite import HeicDetectorSuite, HeicProcessorSuite

ROOT = Path(__file__).parent.parent
RUNNING = {"lading.plugins", "lading.plugins.errors", "pydantic", "lading_heic"}
TESTING = RUNNING | {"lading.plugins.testing", "pytest", "PIL"}
DECODING = {"PIL", "pillow_heif"}
"""What the program of the decoding process imports, and no module of the service."""
FOR_TESTS = {"suite.py"}


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


@pytest.mark.parametrize(
    "path",
    sorted(set((ROOT / "lading_heic").glob("*.py")) - {ROOT / "lading_heic" / "work.py"}),
    ids=lambda path: path.name,
)
def test_of_lading_the_package_imports_the_contract_alone(path: Path) -> None:
    assert strangers(path, TESTING if path.name in FOR_TESTS else RUNNING) == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda path: path.name)
def test_of_lading_the_tests_import_the_contract_and_the_kit_alone(path: Path) -> None:
    assert strangers(path, TESTING) == []


def test_what_runs_in_the_service_does_not_import_what_is_for_tests() -> None:
    modules = [path for path in (ROOT / "lading_heic").glob("*.py") if path.name not in FOR_TESTS]
    assert modules
    for_tests = {f"lading_heic.{name.removesuffix('.py')}" for name in FOR_TESTS}
    assert not for_tests & {name for path in modules for name in imported(path)}


def test_the_service_never_decodes() -> None:
    work = ROOT / "lading_heic" / "work.py"
    assert strangers(work, DECODING) == []
    assert not {name for name in imported(work) if name.startswith("lading")}
    for path in set((ROOT / "lading_heic").glob("*.py")) - {work}:
        assert not DECODING & {name.partition(".")[0] for name in imported(path)}, path


def test_entry_points() -> None:
    expected = {
        ("lading.detectors", "heic"): HeicDetector,
        ("lading.processors", "heic"): HeicProcessor,
        ("lading.suites", "detect.heic"): HeicDetectorSuite,
        ("lading.suites", "process.heic"): HeicProcessorSuite,
    }
    for (group, name), loaded in expected.items():
        (found,) = entry_points(group=group, name=name)
        assert found.load() is loaded
