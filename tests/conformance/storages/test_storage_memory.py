"""The reference backend keeps the contract, alone and behind the guard."""

from typing import ClassVar

import pytest

from lading.backends.guard.storage import GuardedStorage
from lading.backends.memory import MemoryStorageOptions
from lading.backends.suites import MemorySuite
from lading.plugins.contracts import StorageBackend
from lading.plugins.options import PluginOptions
from lading.plugins.testing.suite import run_case
from tests.conformance.storages.suite import GuardedStorageSuite


@pytest.mark.one_in(4)
class TestMemoryStorage(MemorySuite):
    pass


class TestGuardedMemoryStorage(MemorySuite, GuardedStorageSuite):
    def make_backend(self) -> StorageBackend:
        return GuardedStorage(super().make_backend(), name="memory")


class Configured(MemorySuite):
    """It has less room than the cases need."""

    configured: ClassVar[PluginOptions | None] = MemoryStorageOptions(max_total_bytes=1)


def test_what_is_configured_has_room_for_the_cases() -> None:
    suite = Configured()
    run_case(suite, suite.test_a_single_large_chunk())
