"""What the distribution declares, and what it imports."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from lading_sftp.fetcher import SftpFetcher
from lading_sftp.harness import SftpHarness

ROOT = Path(__file__).parent.parent
RUNNING = {"lading.plugins", "lading.plugins.errors", "asyncssh", "pydantic", "lading_sftp"}
TESTING = RUNNING | {"lading.plugins.testing", "pytest"}
FOR_TESTS = {"harness.py", "server.py", "suite.py"}


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


@pytest.mark.parametrize("path", sorted((ROOT / "lading_sftp").glob("*.py")), ids=lambda path: path.name)
def test_of_lading_the_package_imports_the_contract_alone(path: Path) -> None:
    assert strangers(path, TESTING if path.name in FOR_TESTS else RUNNING) == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda path: path.name)
def test_of_lading_the_tests_import_the_contract_and_the_kit_alone(path: Path) -> None:
    assert strangers(path, TESTING) == []


def test_what_runs_in_the_service_does_not_import_what_is_for_tests() -> None:
    modules = [path for path in (ROOT / "lading_sftp").glob("*.py") if path.name not in FOR_TESTS]
    assert modules
    for_tests = {f"lading_sftp.{name.removesuffix('.py')}" for name in FOR_TESTS}
    assert not for_tests & {name for path in modules for name in imported(path)}


def test_entry_points() -> None:
    (fetcher,) = entry_points(group="lading.fetchers", name="sftp")
    assert fetcher.load() is SftpFetcher
    (suite,) = entry_points(group="lading.suites", name="fetch.sftp")
    assert issubclass(suite.load(), SftpHarness)
