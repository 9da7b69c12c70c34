"""What the suites have in common: how a case is run, what it may not leave behind, and what an author may change.

A suite is a class of cases, ``async def test_...``; the pytest plugin of this package runs each in an event loop of its
own, in asyncio's debug mode. A case fails, whatever it tests, where

- a task, thread, file descriptor or child process is left when all is closed,
- the event loop was blocked (``lading.plugins.testing.blocking``),
- an error was left to the loop's exception handler,
- it does not end within ``case_seconds``.

Servers that a harness starts belong into a thread or a process of their own, and into ``running``.
"""

import asyncio
import gc
from abc import ABC
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from ..contracts import Fetcher, StorageBackend, TypeDetector
from ..options import PluginOptions
from .blocking import BlockingWatch
from .leaks import no_leaks

Made = TypeVar("Made", Fetcher, TypeDetector, StorageBackend)

KIT = __name__.rpartition(".")[0] + "."
UNSUPPORTED = "unsupported: "
"""How the reason begins with which a case is skipped because of what its plugin lacks."""


class Suite(ABC):
    """Base of the suites.

    Attributes:
        unsupported: what the plugin cannot do, each with the reason. Its cases are skipped and the reason is printed.
        optional: what may be in ``unsupported``; everything else is required of every plugin.
        case_seconds: how long a case may take before it is ended.
        configured: the options of ``service.conf``, where ``lading plugins check`` runs the suite; else None.
        place: a fresh folder for each case; it does not exist yet.
        subject: the plugin that the case works with, for messages.
    """

    unsupported: ClassVar[Mapping[str, str]] = {}
    optional: ClassVar[frozenset[str]] = frozenset()
    case_seconds: ClassVar[float] = 60.0
    configured: ClassVar[PluginOptions | None] = None
    place: Path
    subject: str = "the plugin"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a suite with a case taken out or changed, or one that declares what cannot be unsupported.

        Raises:
            TypeError: naming it.
        """
        super().__init_subclass__(**kwargs)
        overridden = sorted(name for name in _cases(cls) if not _is_of_kit(_owner(cls, name)))
        if overridden:
            raise TypeError(
                f"{cls.__name__} overrides {', '.join(overridden)}; the cases are the contract. "
                "What a plugin cannot do is declared, with the reason, in 'unsupported'"
            )
        unknown = sorted(set(cls.unsupported) - cls.optional)
        if unknown:
            optional = ", ".join(sorted(cls.optional)) or "nothing"
            raise TypeError(
                f"{cls.__name__} declares {', '.join(unknown)} as unsupported; what may be missing is: {optional}"
            )
        if not all(isinstance(reason, str) and reason.strip() for reason in cls.unsupported.values()):
            raise TypeError(f"{cls.__name__} declares something as unsupported without saying why")

    @pytest.fixture(autouse=True)
    def _fresh_place(self, tmp_path: Path) -> None:
        self.place = tmp_path / "place"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Around each case: override it to start what the plugin needs, and to end it."""
        yield

    def made(self, plugin: Made) -> Made:
        """Remember what the case works with; every plugin that a factory makes passes through here."""
        self.subject = type(plugin).__name__
        return plugin

    def require(self, ability: str) -> None:
        """Skip the case where the plugin has declared that it lacks the ability."""
        assert ability in self.optional
        if ability in self.unsupported:
            pytest.skip(f"{UNSUPPORTED}{ability}: {self.unsupported[ability]}")


def run_case(suite: Suite, case: Coroutine[Any, Any, None]) -> None:
    """Run one case of the suite in an event loop of its own. Blocks.

    Raises:
        AssertionError: it failed, or one of the rules above was broken.
        TimeoutError: it took longer than ``case_seconds``.
    """
    unhandled: list[str] = []
    # With a factory, the loop that other tests have set for this thread stays theirs.
    with _only_garbage_of_its_own(), asyncio.Runner(debug=True, loop_factory=asyncio.new_event_loop) as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda _loop, context: unhandled.append(_described(context)))
        with BlockingWatch(loop, type(suite)) as watch:
            runner.run(_in_its_place(suite, case))
        gc.collect()  # tasks and transports complain when they are collected
    assert not watch.blocked, f"{suite.subject} blocks the event loop: {'; '.join(sorted(watch.blocked))}"
    assert not unhandled, f"{suite.subject} leaves errors to the event loop: {'; '.join(unhandled)}"


@contextmanager
def _only_garbage_of_its_own() -> Iterator[None]:
    """Let collections pass over what was there before: it is not this case's, and much of it takes long."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _in_its_place(suite: Suite, case: Coroutine[Any, Any, None]) -> None:
    async with asyncio.timeout(suite.case_seconds), no_leaks(), suite.running():
        await case


def _described(context: Mapping[str, Any]) -> str:
    error = context.get("exception")
    return str(context["message"]) + (f" ({error!r})" if error else "")


def _is_of_kit(cls: type) -> bool:
    return cls.__module__.startswith(KIT)


def _cases(cls: type) -> set[str]:
    """The names of the kit's own cases that the class has."""
    return {name for base in cls.__mro__ if _is_of_kit(base) for name in vars(base) if name.startswith("test_")}


def _owner(cls: type, name: str) -> type:
    return next(base for base in cls.__mro__ if name in vars(base))
