"""How a process behind a supervisor learns that it is alone."""

import asyncio
import socket
import sys

import pytest

from lading.service.runtime.signals.handlers import Wishes
from lading.service.runtime.supervision.child import _stop_with_parent, _tell_parent


class Stdin:
    """Standard input that is a socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def fileno(self) -> int:
        return self._end.fileno()


@pytest.mark.gen_test
@pytest.mark.parametrize("has_read", [True, False], ids=["which has read", "which has not read"])
async def test_a_child_stops_when_its_parent_is_gone(monkeypatch: pytest.MonkeyPatch, *, has_read: bool) -> None:
    """A parent that leaves something unread ends a socket with a reset (unix(7))."""
    parents, childs = socket.socketpair()
    with childs:
        monkeypatch.setattr(sys, "stdin", Stdin(childs))
        wishes = Wishes()
        watch = asyncio.create_task(_stop_with_parent(wishes))
        _tell_parent()
        if has_read:
            assert len(parents.recv(10)) == 1
        await asyncio.sleep(0)
        assert not wishes.stop.is_set()
        parents.close()
        await wishes.stop.wait()
        assert wishes.undelayed.is_set(), "the next parent needs the port"
        await watch
