"""What a case leaves behind is named, also where the garbage collector would have removed it in time."""

import gc
import socket
from collections.abc import Iterator

import pytest

from lading.plugins.testing import leaks


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
