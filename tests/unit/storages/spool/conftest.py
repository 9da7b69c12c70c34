"""What the tests of spools share."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lading.service.storages.spool
import lading.service.storages.unnamed
from lading.service.storages.spool import Spool, Spools

MEMORY = 1000


@pytest.fixture(params=["unnamed", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With and without files that have no name; macOS has none."""
    if request.param == "named":
        monkeypatch.setattr(lading.service.storages.unnamed, "_HAS_UNNAMED_FILES", False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has no memfd_create")
    return str(request.param)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def spools(tmp_path: Path, executor: ThreadPoolExecutor, kind: str) -> Spools:
    return Spools(MEMORY, tmp_path, executor)


async def content(spool: Spool) -> list[bytes]:
    return [chunk async for chunk in spool.chunks()]
