"""The guard of processors: their contract's rules that a plugin, a third party's too, might break.

It judges the answer, the facts and the size of the output. That the image itself is untouched, and that the new file is
an image, is for the caller to see, who has the bytes: ``lading.service.work.pipeline.processing``.
"""

import asyncio
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from ..capabilities import SupportsPing
from ..contracts.processing import MAX_FACTS_BYTES, MAX_FACTS_DEPTH, Output, Picture, Processed, Processor
from ..errors import OutputTooLarge, ProcessError
from .calls import Caller
from .guards import CLOSE_SECONDS, CONCURRENCY
from .pinging import pinger_of
from .record import Observer, ignore
from .watch import Watch

LOOK_SECONDS: Final = 0.1
"""Seconds between two looks at the size of an output that is being written."""
LARGEST_NUMBER: Final = 2**53 - 1
"""RFC 8259 section 6: larger whole numbers do not survive every reader of JSON."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


class GuardedProcessor(Processor):
    """A processor made safe to call. The guard owns the processor.

    In addition to the errors of ``Processor``, ``process`` raises ``DeadlineExceeded``, ``PluginBlocked``, and
    ``PluginFault`` if the processor breaks its contract.

    Args:
        processor: the plugin.
        name: its entry-point name.
        deadline: seconds that one call may take.
        concurrency: the largest number of concurrent calls; further calls wait for their turn, within their deadline.
        observer, watch: see ``lading.plugins.host.calls.Caller``.
    """

    def __init__(
        self,
        processor: Processor,
        name: str,
        deadline: float,
        *,
        concurrency: int = CONCURRENCY,
        observer: Observer = ignore,
        watch: Watch | None = None,
    ) -> None:
        self._processor = processor
        self._deadline = deadline
        self._caller = Caller("process", name, ProcessError, concurrency=concurrency, observer=observer, watch=watch)
        self.stamp = self._caller.stamp
        """Puts the plugin's name on the faults that its caller finds."""
        self.pinger: SupportsPing | None = pinger_of(processor, self._caller)
        """Says whether the processor can work; None if it does not say."""

    @property
    def name(self) -> str:
        """The processor's entry-point name, under which its facts are kept."""
        return self._caller.name

    async def process(self, picture: Picture, output: Output) -> Processed:
        """See ``Processor.process``."""
        try:
            async with asyncio.timeout(None) as growth:
                with _watched(output, growth):
                    answer = await self._caller.call(
                        "process", lambda: self._processor.process(picture, output), self._deadline, in_turn=True
                    )
        except TimeoutError as error:
            os.truncate(output.path, 0)
            raise self.stamp.judged(OutputTooLarge(limit=output.max_bytes), "process") from error
        return self._judged(answer, output)

    async def close(self) -> None:
        """See ``Processor.close``."""
        await self._caller.call("close", self._processor.close, CLOSE_SECONDS)

    def _judged(self, answer: Processed, output: Output) -> Processed:
        if not isinstance(answer, Processed):
            raise self.stamp.fault(f"process gave {type(answer).__name__}")
        if type(answer.replaced) is not bool:
            raise self.stamp.fault(f"process gave {type(answer.replaced).__name__} as replaced")
        written = output.path.stat().st_size
        if written > output.max_bytes:
            raise self.stamp.judged(OutputTooLarge(limit=output.max_bytes), "process")
        if answer.replaced and not written:
            raise self.stamp.fault("process says that it replaced the image, and wrote nothing")
        if written and not answer.replaced:
            raise self.stamp.fault(f"process wrote {written} bytes, and does not say that it replaced the image")
        problem = problem_of_facts(answer.facts)
        if problem is not None:
            raise self.stamp.fault(f"process gave facts that {problem}")
        # A copy: the plugin keeps nothing that changes the document later.
        return Processed(answer.replaced, json.loads(json.dumps(dict(answer.facts))))


@contextmanager
def _watched(output: Output, growth: asyncio.Timeout) -> Iterator[None]:
    """Look at the size of the output again and again, and end the block once it is too large."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal timer
        with suppress(OSError):
            if output.path.stat().st_size > output.max_bytes:
                growth.reschedule(loop.time())
                return
        timer = loop.call_later(LOOK_SECONDS, look)

    timer = loop.call_later(LOOK_SECONDS, look)
    try:
        yield
    finally:
        timer.cancel()


def problem_of_facts(facts: object) -> str | None:
    """Why these are no facts as ``Processed.facts`` describes them, as the end of a sentence; None if they are."""
    if not isinstance(facts, Mapping):
        return f"are {type(facts).__name__} and no mapping"
    wrong = next((name for name in facts if not isinstance(name, str) or not _NAME.fullmatch(name)), None)
    if wrong is not None:
        return f"have the name {wrong!r:.80}, which does not match {_NAME.pattern}"
    problem = _problem_of(dict(facts), MAX_FACTS_DEPTH)
    if problem is not None:
        return problem
    size = len(json.dumps(dict(facts), ensure_ascii=False, separators=(",", ":")).encode())
    return f"are {size} bytes long, and more than {MAX_FACTS_BYTES}" if size > MAX_FACTS_BYTES else None


def _problem_of(value: object, depth: int) -> str | None:
    if isinstance(value, dict | list):
        return _problem_within(value, depth)
    if value is None or type(value) is bool:
        return None
    if type(value) is int:
        return None if abs(value) <= LARGEST_NUMBER else "have a whole number beyond 2**53 - 1"
    if type(value) is float:
        return None if math.isfinite(value) else "have a number that is not finite"
    if type(value) is str:
        return None if _is_text(value) else "have a string with a surrogate or a NUL"
    return f"have a {type(value).__name__}, which JSON does not know"


def _problem_within(value: dict[Any, Any] | list[Any], depth: int) -> str | None:
    if depth == 0:
        return f"nest deeper than {MAX_FACTS_DEPTH}"
    if isinstance(value, dict) and not all(type(name) is str and _is_text(name) for name in value):
        return "have an object with a name that is no string"
    values = value.values() if isinstance(value, dict) else value
    return next((problem for one in values if (problem := _problem_of(one, depth - 1)) is not None), None)


def _is_text(text: str) -> bool:
    """Whether every database keeps the text as it is."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
