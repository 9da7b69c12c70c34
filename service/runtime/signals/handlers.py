"""What each signal does.

SIGTERM, SIGINT and SIGQUIT stop the process in order. A second one of them ends it at once, like kill -9, and loses
nothing. SIGHUP reloads the configuration. SIGUSR1 and SIGUSR2, which would end a process, do nothing. Python itself
ignores SIGPIPE. ``docs/reference/signals.md`` is the operator's page.
"""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

SAME_REQUEST: Final = 0.5
"""Seconds after the first signal during which further signals count as the same request: timeout(1), and a service
manager that signals a whole process group, send several.
"""
STOPPING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
WITHOUT_EFFECT: Final = (signal.SIGUSR1, signal.SIGUSR2)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody wants from the process. Events are set by signals, and by a supervisor that is gone.

    Attributes:
        stop: the process must stop.
        undelayed: it must not wait until balancers have noticed.
        reload: it must reload its configuration; the reader clears the event.
        end: it must end at once, by this signal; only a process with children waits for it.
    """

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    undelayed: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)
    end: "asyncio.Queue[int]" = field(default_factory=asyncio.Queue)


@contextmanager
def obeying(wishes: Wishes, *, reloads: bool = True, has_children: bool = False) -> Iterator[None]:
    """Turn signals into wishes within the block. Enter it in the running event loop of the main thread.

    Leave the block just before the process ends: after the first signal to stop, the process ignores further signals
    from then on.

    Args:
        wishes: their events.
        reloads: whether SIGHUP reloads; without, it stops, as for a command whose terminal closes.
        has_children: whether a second signal to stop is a wish too; otherwise it ends the process.
    """
    loop = asyncio.get_running_loop()
    stopping = STOPPING if reloads else (*STOPPING, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in (*STOPPING, signal.SIGHUP, *WITHOUT_EFFECT)}
    timers: list[asyncio.TimerHandle] = []

    def asked() -> None:
        if not timers:
            wishes.stop.set()
            timers.append(loop.call_later(SAME_REQUEST, _obey_the_next, stopping, wishes if has_children else None))

    if reloads:
        loop.add_signal_handler(signal.SIGHUP, wishes.reload.set)
    for number in stopping:
        loop.add_signal_handler(number, asked)
    for number in WITHOUT_EFFECT:
        loop.add_signal_handler(number, _say, number)
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            # A process that has stopped as requested must not fail because of another signal.
            signal.signal(number, signal.SIG_IGN if timers else handler)


def _obey_the_next(stopping: Sequence[signal.Signals], wishes: Wishes | None) -> None:
    """Let the next of these signals end the process, or tell whoever must end its children before."""
    loop = asyncio.get_running_loop()
    for number in stopping:
        if wishes is not None:
            loop.add_signal_handler(number, wishes.end.put_nowait, number)
        else:
            loop.remove_signal_handler(number)
            _end_by(number)


def end_now(number: int) -> None:
    """End this process by a signal, as if it had no handler."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _end_by(number: signal.Signals) -> None:
    """Let the signal end the process, without Python: it may come while the event loop is blocked."""
    if number is signal.SIGQUIT:
        # The signal's own action may write a core dump, which has the secrets of the process.
        signal.signal(number, lambda *_: end_now(signal.SIGTERM))
    else:
        # Not Python's own handler of SIGINT: its exception would start another clean stop, and could come late.
        signal.signal(number, signal.SIG_DFL)


def _say(number: int) -> None:
    log.info("a signal has no effect", signal=signal.Signals(number).name)
