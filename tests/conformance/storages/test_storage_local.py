"""The local disk keeps the contract, alone and behind the guard, also where a path is configured."""

from pathlib import Path

import pytest

from lading.backends.guard.storage import GuardedStorage
from lading.backends.local.storage import LocalStorageOptions
from lading.backends.suites import LocalSuite
from lading.plugins.contracts import StorageBackend
from lading.plugins.testing.suite import run_case
from tests.conformance.storages.suite import GuardedStorageSuite


class TestLocalStorage(LocalSuite):
    pass


@pytest.mark.sampled(3)
class TestGuardedLocalStorage(LocalSuite, GuardedStorageSuite):
    def make_backend(self) -> StorageBackend:
        return GuardedStorage(super().make_backend(), name="local")


class Configured(LocalSuite):
    pass


def test_where_a_path_is_configured_that_is_where_it_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "images"
    path.mkdir()
    (path / "an-image").write_bytes(b"image")
    monkeypatch.setattr(Configured, "configured", LocalStorageOptions(path=path, threads=1))
    suite = Configured()
    run_case(suite, suite.test_delete())
    assert suite.place.parent == path
    assert [found.name for found in path.iterdir()] == ["an-image"]
