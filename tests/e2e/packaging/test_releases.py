"""What accompanies the distributions of a release: the same bytes each time, notes, versions, a bill of materials."""

import importlib.util
import json
import os
from importlib.metadata import requires
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lading
from tests.support.installed import MOMENT, ROOT, Distributions, Environment, build_sdist, copy_of_the_tree

CHANGELOG = """\
# Changelog

## Unreleased

- Not yet.

## 1.10.0 - 2026-02-03

Stop it first.

### Added

- A `## thing`.

## 1.1 - 2026-01-02

- First.
"""


@pytest.fixture(scope="session")
def dist() -> ModuleType:
    """The program behind ``make dist``."""
    spec = importlib.util.spec_from_file_location("dist", ROOT / ".ci" / "dist.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_sdist_has_the_same_bytes_whatever_the_files_modes_and_times(
    distributions: Distributions, tmp_path: Path
) -> None:
    tree = copy_of_the_tree(tmp_path / "elsewhere")
    for path in [path for path in tree.rglob("*") if not path.is_symlink()]:
        path.chmod(0o775 if path.is_dir() else 0o664)
        os.utime(path, (1e9, 1e9))
    (tmp_path / "sdists").mkdir()
    again = build_sdist(tree, tmp_path / "sdists")
    assert again.name == distributions.sdist.name
    assert again.read_bytes() == distributions.sdist.read_bytes()


@pytest.mark.parametrize(
    ("version", "notes"),
    [("1.10.0", "Stop it first.\n\n### Added\n\n- A `## thing`.\n"), ("1.1", "- First.\n")],
)
def test_the_notes_are_the_section_of_the_version(dist: ModuleType, version: str, notes: str) -> None:
    assert dist.notes(CHANGELOG, version) == notes


@pytest.mark.parametrize("version", ["1.1.0", "1.10", "1x1", "Unreleased", ""])
def test_a_version_without_a_section_ends_the_release(dist: ModuleType, version: str) -> None:
    with pytest.raises(ValueError, match="has no section"):
        dist.notes(CHANGELOG, version)


def test_this_version_has_notes(dist: ModuleType) -> None:
    assert dist.notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), lading.__version__)


def test_the_constraints_name_a_version_that_fits_of_all_that_is_needed(dist: ModuleType) -> None:
    lines = dist.CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    unfit = []
    for needed in map(Requirement, requires("lading") or ()):
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in dist.EXTRAS.split(",")):
            version = versions.get(canonicalize_name(needed.name))
            if version is None or version not in needed.specifier:
                unfit.append(f"{needed}: {version}")
    assert unfit == []


def test_the_bill_of_materials_is_valid_and_names_each_package_with_its_version(
    dist: ModuleType, distributions: Distributions, installed: Environment, tmp_path: Path
) -> None:
    targets = [tmp_path / "one.cdx.json", tmp_path / "two.cdx.json"]
    environ = {**os.environ, "SOURCE_DATE_EPOCH": MOMENT}
    for target in targets:
        dist.bill(installed.python, distributions.wheel, target, tmp_path / "pyproject.toml", environ, "--no-validate")
    text = targets[0].read_text(encoding="utf-8")
    assert targets[1].read_text(encoding="utf-8") == text
    told: dict[str, Any] = json.loads(text)
    assert told["metadata"]["timestamp"] == "2025-12-01T00:00:00+00:00"
    main = told["metadata"]["component"]
    assert (main["name"], main["version"]) == ("lading", lading.__version__)
    assert [each["license"]["id"] for each in main["licenses"]] == ["MIT"]
    listed = {component["name"].lower(): component for component in told["components"]}
    assert listed["tornado"]["purl"] == f"pkg:pypi/tornado@{listed['tornado']['version']}"
    assert "lading" not in listed
    (needed,) = [each["dependsOn"] for each in told["dependencies"] if each["ref"] == main["bom-ref"]]
    assert {"tornado", "pillow", "motor"} <= {ref.split("==")[0] for ref in needed}
    assert str(tmp_path) not in text
    assert str(installed.folder) not in text
    assert "cyclonedx-bom" not in listed
    # Imported here, as it imports jsonschema: more than a second of each process that collects this module.
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    # All packages have one shape, and the schema takes its time: a few of them will do.
    few = told | {"components": told["components"][:3]}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(few)) is None
