"""What authors import: every name of the contracts is in ``lading.plugins``, and nothing else of Lading is needed."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading import plugins

ROOT = Path(__file__).parents[3]
FILES = (
    "capabilities.py",
    "contracts/__init__.py",
    "contracts/processing.py",
    "disposition.py",
    "keys.py",
    "options.py",
)
HOMES = [ROOT / "plugins" / name for name in FILES]
FOR_AUTHORS = {
    "lading.plugins",
    "lading.plugins.errors",
    "lading.plugins.net",
    "lading.plugins.testing",
}
TESTED_PLUGINS = {"lading.backends.memory", "lading.plugins.detectors.pillow.detector", "lading.plugins.suites"}
"""Plugins of Lading's own, which the page of the kit takes as examples of plugins under test."""
WRITTEN_FOR_AUTHORS = [
    *sorted((ROOT / "examples").glob("lading-*/**/*.py")),
    *sorted((ROOT / "service" / "cli" / "plugins" / "templates").rglob("*.in")),
    *(
        ROOT / "docs" / page
        for page in (
            "tutorials/first-plugin.md",
            "tutorials/first-processor.md",
            "reference/plugin-contracts.md",
            "reference/kit.md",
        )
    ),
]


def name_of(module: Path) -> str:
    """The name of a module below ``lading.plugins``."""
    return ".".join(module.relative_to(ROOT / "plugins").with_suffix("").parts).removesuffix(".__init__")


def public_names(module: Path) -> Iterator[tuple[str, bool]]:
    """The public names that a module defines at its top level, each with whether it is documented there."""
    body = ast.parse(module.read_text(encoding="utf-8")).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name, documented = node.name, ast.get_docstring(node) is not None
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = ast.unparse(target)
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        else:
            continue
        if not name.startswith("_") and not name.endswith("_CAPABILITIES"):  # these tables are the host's
            yield name, documented


@pytest.mark.parametrize("module", HOMES, ids=name_of)
def test_every_public_name_is_there_and_documented(module: Path) -> None:
    names = dict(public_names(module))
    assert names
    assert [name for name in names if name not in plugins.__all__] == []
    assert [name for name, documented in names.items() if not documented] == []


def test_there_is_nothing_else() -> None:
    assert sorted(plugins.__all__) == sorted(name for module in HOMES for name, _ in public_names(module))


@pytest.mark.parametrize("module", HOMES, ids=name_of)
def test_each_name_is_that_of_its_module(module: Path) -> None:
    home = importlib.import_module(f"lading.plugins.{name_of(module)}")
    for name, _ in public_names(module):
        assert getattr(plugins, name) is getattr(home, name)
        assert name in dir(plugins)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(ImportError, match="Fetchers"):
        from lading.plugins import Fetchers  # noqa: F401, PLC0415


def test_a_process_that_imports_it_loads_nothing_else() -> None:
    code = "import sys, lading.plugins; print(*(name for name in sys.modules if name.startswith('lading.')))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == ["lading.plugins"]


@pytest.mark.parametrize("path", WRITTEN_FOR_AUTHORS, ids=lambda path: str(path.relative_to(ROOT)))
def test_authors_are_shown_nothing_else_of_lading(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    imported = set(re.findall(r"^\s*(?:from|import) (lading(?:\.\w+)*)\b(?!_)", text, re.MULTILINE))
    assert imported - FOR_AUTHORS - {"lading"} == (TESTED_PLUGINS if path.name == "kit.md" else set())
