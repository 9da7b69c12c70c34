"""The memory of metrics: what a killed process leaves is read, and the next child of its number goes on with it."""

import os
import signal
import subprocess
import sys

import pytest

from lading.service.observe.metrics import ledger as ledgers
from lading.service.observe.metrics.ledger import LEDGER_BYTES, SCRATCH, Board, Entry, Ledger, entries, tell_pid

CHILD = """
import os, signal, sys
from lading.service.observe.metrics.ledger import Board
board = Board.inherited(int(sys.argv[1]))
ledger = board.counters(1)
first = ledger.place("hits", ("a",), 1)
for _ in range(1000):
    ledger.cells[first] += 1.0
os.kill(os.getpid(), signal.SIGKILL)
"""


def of(board: Board, number: int) -> list[Entry]:
    """The series of a process, but for its id."""
    return [entry for entry in board.entries(number) if entry.family != "pid"]


def new() -> tuple[memoryview, Ledger]:
    memory = memoryview(bytearray(LEDGER_BYTES))
    return memory, Ledger(memory)


def add(ledger: Ledger, family: str, labels: tuple[str, ...], *values: float) -> None:
    first = ledger.place(family, labels, len(values))
    assert first is not None
    for place, value in enumerate(values):
        ledger.cells[first + place] += value


def test_a_series_has_its_own_numbers_and_is_found_again() -> None:
    memory, ledger = new()
    assert entries(memory) == []
    add(ledger, "hits", ("a", "ü\n\0"), 1.5)
    add(ledger, "sizes", (), 1, 2, 3)
    add(ledger, "hits", ("a", "ü\n\0"), 2)
    found = [Entry("hits", ("a", "ü\n\0"), (3.5,)), Entry("sizes", (), (1.0, 2.0, 3.0))]
    assert entries(memory) == found
    assert ledger.place("hits", ("a", "ü\n\0"), 1) == SCRATCH

    again = Ledger(memory)
    assert entries(memory) == found
    add(again, "sizes", (), 1, 1, 1)
    add(again, "more", (), 7)
    assert entries(memory) == [found[0], Entry("sizes", (), (2.0, 3.0, 4.0)), Entry("more", (), (7.0,))]


def test_a_name_that_a_killed_process_did_not_complete_is_no_series_and_does_no_harm() -> None:
    memory, ledger = new()
    add(ledger, "hits", ("a",), 1)
    whole = bytes(memory)
    add(ledger, "a much longer name than the next", ("with", "labels"), 5)
    end = bytes(memory).rfind(b"\n")
    start = whole.rfind(b"\n") + 1
    for cut in range(start, end + 1, 7):
        torn = bytearray(memory)
        torn[cut : end + 1] = bytes(end + 1 - cut)
        assert [entry.family for entry in entries(memoryview(torn))] == ["hits"]
        add(Ledger(memoryview(torn)), "b", (), 2)
        assert [entry.family for entry in entries(memoryview(torn))] == ["hits", "b"]


def test_a_full_ledger_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    _, ledger = new()
    monkeypatch.setattr(ledgers, "CELLS", SCRATCH + 3)
    assert ledger.place("a", (), 2) == SCRATCH
    assert ledger.place("b", (), 2) is None
    assert ledger.place("c", (), 1) == SCRATCH + 2
    monkeypatch.setattr(ledgers, "CELLS", 10_000)
    assert ledger.place("d", ("x" * ledgers.NAME_BYTES,), 1) is None
    assert ledger.place("a", (), 2) == SCRATCH, "what is there stays"


def test_a_cleared_ledger_is_as_new() -> None:
    memory, ledger = new()
    add(ledger, "hits", ("a",), 1)
    ledger.clear()
    assert bytes(memory) == bytes(LEDGER_BYTES)
    add(ledger, "other", (), 4)
    assert entries(memory) == [Entry("other", (), (4.0,))]


def test_what_a_killed_child_counted_is_exact_and_its_successor_goes_on_counting() -> None:
    board = Board.shared(2)
    assert board.descriptor is not None
    assert board.processes == 3
    try:
        for _ in range(2):
            child = subprocess.run(
                [sys.executable, "-c", CHILD, str(board.descriptor)], pass_fds=[board.descriptor], check=False
            )
            assert child.returncode == -signal.SIGKILL
        assert of(board, 1) == [Entry("hits", ("a",), (2000.0,))]
        assert of(board, 2) == of(board, 0) == []
    finally:
        os.close(board.descriptor)


def test_each_process_has_its_own_ledgers() -> None:
    board = Board.alone()
    assert board.descriptor is None
    add(board.counters(1), "hits", (), 1)
    tell_pid(board.gauges(1))
    hits, pid = board.entries(1)
    assert hits == Entry("hits", (), (1.0,))
    assert (pid.family, pid.values) == ("pid", (float(os.getpid()),))
    assert board.entries(0) == ()


def test_a_reader_does_not_disturb_a_name_that_is_being_written() -> None:
    memory, ledger = new()
    add(ledger, "hits", (), 1)
    whole = bytearray(memory)
    add(ledger, "more", (), 2)
    end = bytes(memory).rfind(b"\n")
    half = memoryview(bytearray(memory))
    half[end] = 0
    before = bytes(half)
    assert [entry.family for entry in entries(half)] == ["hits"]
    assert bytes(half) == before != bytes(whole)
    half[end] = ord("\n")
    assert [entry.family for entry in entries(half)] == ["hits", "more"]


def test_a_board_takes_memory_only_for_what_is_on_it() -> None:
    board = Board.shared(64)
    assert board.descriptor is not None
    try:
        for number in range(board.processes):
            add(board.counters(number), "hits", ("x" * 100,), 1)
            assert len(board.entries(number)) == 1
        used = os.fstat(board.descriptor).st_blocks * 512
        assert used <= board.processes * 2 * (16 + 4 + 4) * 1024 < LEDGER_BYTES * 10
    finally:
        os.close(board.descriptor)
