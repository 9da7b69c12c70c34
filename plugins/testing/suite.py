"""The base of the suites: how the kit runs a case, which leftovers fail it, and what an author may change.

A suite is a class of cases, ``async def test_...``. The pytest plugin of this package runs each case in its own event
loop, in asyncio's debug mode. Whatever a case tests, it fails if

- a task, thread, file descriptor or child process is left at the end,
- the plugin blocks the event loop (``lading.plugins.testing.blocking``),
- an error reaches the loop's exception handler,
- the case does not end within ``case_seconds``, which grow with the slowness of the machine.

Start servers in ``running``, in a thread or a process of their own.
"""

import asyncio
import gc
import hashlib
import math
import threading
from abc import ABC
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from enum import StrEnum
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Final, Self, TypeVar

import pytest

from ..contracts import Fetcher, StorageBackend, TypeDetector
from ..contracts.processing import Processor
from ..options import PluginOptions
from .blocking import BlockingWatch
from .leaks import no_leaks

Made = TypeVar("Made", Fetcher, TypeDetector, Processor, StorageBackend)

KIT = __name__.rpartition(".")[0] + "."
UNSUPPORTED = "unsupported: "
"""The beginning of the reason of a case that is skipped because the plugin lacks an ability."""
_PASSES_OVER: Final = threading.Lock()
"""Held within ``only_garbage_of_its_own``. ``gc.get_freeze_count`` tells as much, but counts all objects for that."""


_BLOCK: Final = bytes(1024 * 1024)
_ROUNDS: Final = 16
_ROUNDS_SECONDS: Final = 0.05
"""What the rounds take on a machine of 2020 without SHA instructions, where nothing else runs."""


class Told(StrEnum):
    """What the kit asks an author's harness for, member by member; ``told`` says what each means."""

    told: str

    def __new__(cls, value: str, told: str) -> Self:
        """A member with its text."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.told = told
        return made


class NotStarted(Exception):
    """``running`` failed, so that there is nothing to test."""


class Suite(ABC):
    """Base of the suites.

    Attributes:
        unsupported: abilities that the plugin lacks, each with the reason. The kit skips their cases and prints the
            reason.
        optional: abilities that ``unsupported`` may name; every plugin must have all others.
        case_seconds: seconds after which the kit ends a case; on a slow machine as many times more as it is slower.
        not_started: why ``running`` failed; None while it has not. No further case of the class is run then.
        configured: the options of ``service.conf`` if ``lading plugins check`` runs the suite, else None.
        place: a new folder for each case, which does not exist yet.
        subject: the plugin under test, for messages.
    """

    unsupported: ClassVar[Mapping[str, str]] = {}
    optional: ClassVar[frozenset[str]] = frozenset()
    case_seconds: ClassVar[float] = 60.0
    not_started: ClassVar[str | None] = None
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
        """Runs around each case. Override it to start and stop the servers that the plugin needs.

        What it raises ends the suite: put into its text what the server has printed.
        """
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
        TimeoutError: the case took longer than ``case_seconds``, as this machine counts them.
        NotStarted: ``running`` failed. The further cases of the suite are not run.
    """
    unhandled: list[str] = []
    # With a factory, the loop that other tests have set for this thread stays theirs.
    with only_garbage_of_its_own(), asyncio.Runner(debug=True, loop_factory=asyncio.new_event_loop) as runner:
        loop = runner.get_loop()
        executor = _Executor(thread_name_prefix="asyncio")  # asyncio's own name, by which ``leaks`` knows its threads
        loop.set_default_executor(executor)
        loop.slow_callback_duration = math.inf  # ``BlockingWatch`` tells what is slow, and whose it is
        loop.set_exception_handler(lambda _loop, context: unhandled.append(_described(context)))
        with BlockingWatch(loop, type(suite)) as watch:
            try:
                runner.run(_in_its_place(suite, case))
            except BaseException:
                executor.is_left = True
                raise
        gc.collect()  # tasks and transports complain when they are collected
    assert not watch.blocked, f"{suite.subject} blocks the event loop: {'; '.join(sorted(watch.blocked))}"
    assert not unhandled, f"{suite.subject} leaves errors to the event loop: {'; '.join(unhandled)}"


class _Executor(ThreadPoolExecutor):
    """The threads of ``asyncio.to_thread``. Once a case has failed nobody waits for them: they might never end."""

    is_left = False

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait and not self.is_left, cancel_futures=cancel_futures)


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
    seconds = suite.case_seconds * slowness()
    timeout = asyncio.timeout(seconds)
    is_running = False
    try:
        async with timeout, no_leaks(), AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(suite.running())
            except Exception as error:
                case.close()
                type(suite).not_started = f"{type(error).__name__}: {error}"
                raise NotStarted(
                    f"running() of {type(suite).__name__} fails: {type(error).__name__}: {error}"
                ) from error
            is_running = True
            await case
    except TimeoutError as error:
        if not timeout.expired():
            raise
        where = "" if is_running else ", within running()"
        if not is_running:
            case.close()
            type(suite).not_started = f"it did not end within {seconds:.0f} s"
        raise TimeoutError(
            f"the kit ended the case after {seconds:.0f} s{where}: case_seconds is {suite.case_seconds:g}, and this"
            f" machine is {slowness():.1f} times slower than the kit's own. Set case_seconds in the suite if the plugin"
            " needs more"
        ) from error


@cache
def slowness() -> float:
    """How many times longer work takes here than on the machine that the kit's time limits are made for; 1 to 10."""
    began = perf_counter()
    for _ in range(_ROUNDS):
        hashlib.sha256(_BLOCK).digest()
    return min(10.0, max(1.0, (perf_counter() - began) / _ROUNDS_SECONDS))


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
