"""The garbage collector of a process that serves."""

import gc
from collections.abc import Iterator

import pytest

from lading.service.runtime.collector import YOUNG, settle


@pytest.fixture(autouse=True)
def _unsettled() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_is_alive_is_not_looked_at_again_and_the_young_ones_seldom() -> None:
    _, middle, old = gc.get_threshold()
    settle()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold() == (YOUNG, middle, old)


def test_what_becomes_garbage_later_is_found() -> None:
    settle()

    class Loop:
        def __init__(self) -> None:
            self.me = self

    Loop()
    assert any(isinstance(found, Loop) for found in _collected())


def _collected() -> list[object]:
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
