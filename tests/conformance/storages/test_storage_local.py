"""The local disk keeps the contract, alone and behind the guard, also where a path is configured."""

import os
import tempfile
from pathlib import Path

import pytest

from lading.backends.guard.storage import GuardedStorage
from lading.backends.local.storage import LocalStorageOptions
from lading.backends.suites import LocalSuite
from lading.plugins.contracts import StorageBackend
from lading.plugins.testing.suite import run_case
from tests.conformance.storages.suite import GuardedStorageSuite
from tests.support.servers.commands import running_module


@pytest.mark.sampled(6)
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


@pytest.mark.skipif(os.geteuid() != 0, reason="the suite itself has the cases where it does not run as root")
@pytest.mark.timeout(120)
def test_lost_permissions_are_told_to_a_user_other_than_root() -> None:
    # Below tmp_path nobody else may look.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        module = "tests.conformance.storages.denied_process"
        with running_module(module, folder) as (process, printed):
            assert printed.read() == "passed\n"
            assert process.wait(30) == 0
