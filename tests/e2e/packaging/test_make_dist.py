"""``make dist``, which fetches what Lading needs from a package index: in the long form of the tests alone."""

import shutil
import sys
from pathlib import Path

import pytest

import lading
from tests.conftest import LONG
from tests.support.installed import copy_of_the_tree, run


@pytest.mark.skipif(not LONG, reason="it installs from a package index")
@pytest.mark.timeout(600)
def test_it_builds_both_and_tries_the_wheel(tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path / "tree")
    environment = Path(sys.prefix)
    make = shutil.which("make")
    assert make is not None
    # The environment of the tests stands for that of the copy, and is not made anew.
    printed = run(make, "dist", f"VENV={environment}", "-o", f"{environment}/.installed-test", cwd=tree)
    version = lading.__version__
    assert {path.name for path in (tree / "dist").iterdir()} == {
        f"lading-{version}-py3-none-any.whl",
        f"lading-{version}.tar.gz",
    }
    assert printed.count("PASSED") == 2
    assert "identical to the origin's" in printed
    assert printed.rstrip().endswith(f"lading, version {version}")
