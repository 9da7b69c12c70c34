"""What a case leaves behind is named, also where the garbage collector would have removed it in time."""

import gc
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from lading.backends.suites import MemorySuite
from lading.plugins.testing import leaks
from lading.plugins.testing.suite import run_case


class Holder:
    """Holds a socket, and itself."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.itself = self


@pytest.fixture(autouse=True)
def _without_collections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.05)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.gen_test(timeout=30)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_socket_that_only_a_cycle_keeps_is_left_behind_and_the_message_says_so() -> None:
    with pytest.raises(AssertionError, match=r"socket.*The garbage collector removes some of it"):
        async with leaks.no_leaks():
            Holder()


@pytest.mark.gen_test(timeout=30)
async def test_a_socket_that_is_in_use_is_left_behind() -> None:
    held = []
    with pytest.raises(AssertionError, match=r"socket:\[\d+\]'\)\"\]$"):
        async with leaks.no_leaks():
            held.append(socket.socket())
    held.pop().close()


class Leaving(MemorySuite):
    async def leftovers(self) -> Collection[str]:
        return ["upload 7"]


def test_what_a_storage_leaves_in_its_place_is_named(tmp_path: Path) -> None:
    suite = Leaving()
    suite.place = tmp_path / "place"
    with pytest.raises(AssertionError, match=r"left behind in the place, .*: upload 7\."):
        run_case(suite, suite.test_delete())
