"""Fixtures of the tests of the synchronous core of the local disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.backends.local.tree import Tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def tree(root: Path) -> Tree:
    tree = Tree(root)
    tree.prepare()
    return tree


@pytest.fixture
def clean(root: Path) -> Iterator[None]:
    """After the test nothing is left in ``.incoming``, and no descriptor is open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not list((root / ".incoming").iterdir())
