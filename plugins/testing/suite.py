"""The base of the suites: how the kit runs a case, which leftovers fail it, and what an author may change.

A suite is a class of cases, ``async def test_...``. The pytest plugin of this package runs each case in its own event
loop, in asyncio's debug mode. Whatever a case tests, it fails if

- a task, thread, file descriptor or child process is left at the end,
- the plugin blocks the event loop (``lading.plugins.testing.blocking``),
- an error reaches the loop's exception handler,
- the case does not end within ``case_seconds``.

Start servers in ``running``, in a thread or a process of their own.
"""

import asyncio
import gc
import threading
from abc import ABC
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import pytest

from ..contracts import Fetcher, StorageBackend, TypeDetector
from ..options import PluginOptions
from .blocking import BlockingWatch
from .leaks import no_leaks

Made = TypeVar("Made", Fetcher, TypeDetector, StorageBackend)

KIT = __name__.rpartition(".")[0] + "."
UNSUPPORTED = "unsupported: "
"""The beginning of the reason of a case that is skipped because the plugin lacks an ability."""
_PASSES_OVER: Final = threading.Lock()
"""Held within ``only_garbage_of_its_own``. ``gc.get_freeze_count`` tells as much, but counts all objects for that."""


class Suite(ABC):
    """Base of the suites.

    Attributes:
        unsupported: abilities that the plugin lacks, each with the reason. The kit skips their cases and prints the
            reason.
        optional: abilities that ``unsupported`` may name; every plugin must have all others.
        case_seconds: seconds after which the kit ends a case.
        configured: the options of ``service.conf`` if ``lading plugins check`` runs the suite, else None.
        place: a new folder for each case, which does not exist yet.
        subject: the plugin under test, for messages.
    """

    unsupported: ClassVar[Mapping[str, str]] = {}
    optional: ClassVar[frozenset[str]] = frozenset()
    case_seconds: ClassVar[float] = 60.0
    configured: ClassVar[PluginOptions | None] = None
    place: Path
    subject: str = "the plugin"
    _declared: Mapping[str, str] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a suite that overrides a case, or declares a required ability as unsupported.

        Raises:
            TypeError: the message names the case or the ability.
        """
        super().__init_subclass__(**kwargs)
        overridden = sorted(name for name in _cases(cls) if not _is_of_kit(_owner(cls, name)))
        if overridden:
            raise TypeError(
                f"{cls.__name__} overrides {', '.join(overridden)}; the cases are the contract. "
                "Declare missing abilities, with the reason, in 'unsupported'"
            )
        unknown = sorted(set(cls.unsupported) - cls.optional)
        if unknown:
            optional = ", ".join(sorted(cls.optional)) or "nothing"
            raise TypeError(
                f"{cls.__name__} declares {', '.join(unknown)} as unsupported; optional are only: {optional}"
            )
        if not all(isinstance(reason, str) and reason.strip() for reason in cls.unsupported.values()):
            raise TypeError(f"{cls.__name__} declares an ability as unsupported without a reason")

    @pytest.fixture(autouse=True)
    def _fresh_place(self, tmp_path: Path) -> None:
        self.place = tmp_path / "place"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs around each case. Override it to start and stop the servers that the plugin needs."""
        yield

    def made(self, plugin: Made) -> Made:
        """Remember the plugin under test. Every plugin that a factory makes passes through this method."""
        self.subject = type(plugin).__name__
        return plugin

    def declare(self, ability: str, reason: str) -> None:
        """Declare an ability as unsupported in this case, because of the plugin's options or of its server."""
        assert ability in self.optional
        self._declared = {**self._declared, ability: reason}

    def lacks(self, ability: str) -> str | None:
        """Why the ability is declared as unsupported; None where it is not."""
        return self._declared.get(ability) or self.unsupported.get(ability)

    def require(self, ability: str) -> None:
        """Skip the case if the ability is declared as unsupported."""
        assert ability in self.optional
        reason = self.lacks(ability)
        if reason is not None:
            pytest.skip(f"{UNSUPPORTED}{ability}: {reason}")


def run_case(suite: Suite, case: Coroutine[Any, Any, None]) -> None:
    """Run one case of the suite in its own event loop. Blocks.

    Raises:
        AssertionError: the case failed, or broke one of the rules above.
        TimeoutError: the case took longer than ``case_seconds``.
    """
    unhandled: list[str] = []
    # With a factory, the loop that other tests have set for this thread stays theirs.
    with only_garbage_of_its_own(), asyncio.Runner(debug=True, loop_factory=asyncio.new_event_loop) as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda _loop, context: unhandled.append(_described(context)))
        with BlockingWatch(loop, type(suite)) as watch:
            runner.run(_in_its_place(suite, case))
        gc.collect()  # tasks and transports complain when they are collected
    assert not watch.blocked, f"{suite.subject} blocks the event loop: {'; '.join(sorted(watch.blocked))}"
    assert not unhandled, f"{suite.subject} leaves errors to the event loop: {'; '.join(unhandled)}"


@contextmanager
def only_garbage_of_its_own() -> Iterator[None]:
    """Let collections pass over what was there before: it is not this case's, and much of it takes long.

    It may be entered within itself, and lasts until the outermost block ends.
    """
    if not _PASSES_OVER.acquire(blocking=False):
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        _PASSES_OVER.release()


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
