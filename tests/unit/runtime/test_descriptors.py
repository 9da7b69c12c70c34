"""File descriptors: as many as the system allows, and a word where they may not do."""

import resource
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from lading.service.config import Settings
from lading.service.runtime import descriptors


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The soft and the hard limit of a process that is not this one."""
    now = [64, 512]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(now))
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: now.__setitem__(slice(None), list(wanted)))
    return now


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (64, 512, (512, 512)),
        (512, 512, (512, 512)),
        (1024, resource.RLIM_INFINITY, (2**20, resource.RLIM_INFINITY)),
        (1024, 2**30, (2**20, 2**30)),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
    ],
)
def test_the_soft_limit_becomes_the_hard_one(limits: list[int], soft: int, hard: int, raised: tuple[int, int]) -> None:
    limits[:] = [soft, hard]
    found = descriptors.raise_limit()
    assert found == (2**20 if raised[0] == resource.RLIM_INFINITY else raised[0])
    assert tuple(limits) == raised


def test_what_is_configured_counts() -> None:
    usual = Settings()
    more = replace(usual, worker=usual.worker.model_copy(update={"concurrency": usual.worker.concurrency + 100}))
    none = replace(usual, worker=usual.worker.model_copy(update={"enabled": False}))
    assert descriptors.needed(more) == descriptors.needed(usual) + 200
    assert descriptors.needed(none) < descriptors.needed(usual)


def test_a_limit_that_may_not_do_is_told_once(limits: list[int]) -> None:
    with capture_logs() as logged:
        descriptors.say_if_short(Settings())
    (line,) = logged
    assert (line["limit"], line["needed"]) == (512, descriptors.needed(Settings()))
    assert "LimitNOFILE" in line["remedy"]
    limits[:] = [64, 100_000]
    with capture_logs() as logged:
        descriptors.say_if_short(Settings())
    assert logged == []
