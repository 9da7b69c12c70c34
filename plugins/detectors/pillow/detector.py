"""The ``pillow`` detector: recognises images with Pillow, in child processes with bounded memory and time.

To operate it:

- The service needs permission to start processes, and a child to open the file it is given: files under ``/proc`` need
  the same user, which a child always is. Children run the service's own Python with an empty environment and without a
  file descriptor of the service; they write nothing and end with the service. They are the same user, though, and can
  read what the service can: keep Pillow up to date.
- Each child uses up to ``memory_limit`` of address space, so plan ``processes`` times that.
- A child ended from outside (by the kernel for want of memory, for instance) fails the call with ``detector_crashed``,
  and the import is tried again.
- What decoding an image costs is judged before it begins (``cost``). An image that needs more than ``COSTLY_SECONDS``,
  by that judgement or in fact, may not have the last decoding process: one is kept for images that cost little, so with
  ``processes = 1`` there is none to keep. Issuers take turns in both queues.
- An image is refused for the CPU time that it costs, never for wall time. A child that uses no CPU time for
  ``wall_limit`` seconds is replaced, and another one is asked; where ``TRIES`` children were stuck, the call fails with
  ``detector_stalled``, which uses up no attempt. On systems other than Linux the CPU time of a child is not known to
  its parent: every child that takes ``wall_limit`` seconds counts as stuck.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from ...capabilities import SupportsEarlyRefusal, SupportsFormats
from ...contracts import ImageInfo, TypeDetector
from ...errors import (
    DetectError,
    DetectorCrashed,
    DetectorStalled,
    FormatNotAllowed,
    ImageCorrupt,
    ImageNotSupported,
    ImageTooComplex,
    NotAnImage,
    SideTooLong,
    TooManyFrames,
    TooManyPixels,
)
from ...host.children import absolute_path, child_environment, json_line, python_command
from ...host.turns import Turns
from ...options import Names, PluginOptions
from .early import is_other
from .formats import CONTENT_TYPES, HEAD_SIZE, identify
from .limits import MAX_INTERNAL, MAX_LINE, Limits
from .pool import ChildDied, ChildFailed, ChildPool, ChildStuck
from .signatures import may_have_footer
from .structure.directories import ORIENTATIONS
from .structure.inspection import NOTES

_REFUSALS: dict[str, type[DetectError]] = {
    error.code: error
    for error in (
        NotAnImage,
        FormatNotAllowed,
        ImageCorrupt,
        ImageNotSupported,
        TooManyPixels,
        SideTooLong,
        TooManyFrames,
        ImageTooComplex,
    )
}

TRIES = 3
"""Children that are asked about an image, where each of them is stuck."""
CHEAP_CPU_LIMIT: Final = 4
"""Seconds of CPU time after which an image counts as costly whose header said that it is not."""


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


def _known_formats(names: tuple[str, ...]) -> tuple[str, ...]:
    formats = tuple(name.upper() for name in names)
    unknown = sorted(set(formats) - set(CONTENT_TYPES))
    if unknown or not formats:
        raise ValueError(f"choose from {', '.join(CONTENT_TYPES)}" + (f"; not {', '.join(unknown)}" if unknown else ""))
    return formats


class PillowOptions(PluginOptions):
    """Options of the ``pillow`` detector."""

    formats: Annotated[Names, AfterValidator(_known_formats)] = Field(
        tuple(CONTENT_TYPES),
        description="Allowed formats, by Pillow's names. MPO is a JPEG file with several pictures.",
    )
    max_pixels: Annotated[int | None, BeforeValidator(_none_if_empty)] = Field(
        None,
        ge=1,
        description=(
            "Maximum pixels of one frame. Empty sets no number: then the memory and CPU time that decoding needs in"
            " each format decide. They bound each image in any case."
        ),
    )
    max_side: int = Field(20_000, ge=1, description="Maximum pixels of one side.")
    max_frames: int = Field(1000, ge=1, description="Maximum frames, pages or pictures of one image.")
    max_total_pixels: int = Field(1_000_000_000, ge=1, description="Maximum pixels of all frames together.")
    verify: Literal["pixels", "structure"] = Field(
        "pixels",
        description=(
            "Depth of the check: pixels or structure. pixels decodes every frame and finds damaged pixels. It"
            " decodes JPEGs at 1/8 scale, which finds the same damage. structure reads headers only and accepts"
            " damaged pixels."
        ),
    )
    memory_limit: int = Field(
        1 << 30,
        ge=1 << 27,
        description=(
            "Address space of a decoding process, in bytes. Lading refuses an image whose decoding needs more, before"
            " it begins."
        ),
    )
    cpu_limit: int = Field(
        30,
        ge=1,
        description=(
            "CPU time that decoding one image may take, in whole seconds. Lading refuses an image that needs more than"
            " half of it, judged before decoding begins; the other half is for slower machines."
        ),
    )
    wall_limit: float = Field(
        20.0,
        gt=0,
        description=(
            "Seconds that a decoding process may go without using CPU time. Then Lading ends the process and"
            " asks another."
        ),
    )
    processes: int = Field(
        2,
        ge=1,
        le=64,
        description=(
            "Number of decoding processes. Each decodes one image at a time. Where there are several, one is kept for"
            " images that need little CPU time."
        ),
    )
    recycle_after: int = Field(
        10_000, ge=1, description="Images that a decoding process decodes before a new process replaces it."
    )

    @property
    def limits(self) -> Limits:
        """What a decoding process is told."""
        return Limits(
            formats=self.formats,
            max_pixels=self.max_pixels,
            max_side=self.max_side,
            max_frames=self.max_frames,
            max_total_pixels=self.max_total_pixels,
            decode_pixels=self.verify == "pixels",
            memory_limit=self.memory_limit,
            cpu_limit=self.cpu_limit,
        )


class PillowDetector(SupportsEarlyRefusal, SupportsFormats, TypeDetector):
    """See ``TypeDetector``. ``NotAnImage`` means that the first bytes are of no format known here."""

    contract_version = 1
    Options = PillowOptions

    def __init__(self, options: PillowOptions) -> None:
        self._formats = options.formats
        self._wall_limit = options.wall_limit
        self._cpu_limit = options.cpu_limit
        self._cheap_cpu_limit = min(CHEAP_CPU_LIMIT, options.cpu_limit)
        self._costly = Turns(max(1, options.processes - 1))
        self._pool = ChildPool(
            python_command("lading.plugins.detectors.pillow.child"),
            environment=child_environment(),
            first_line=json_line({"parent": os.getpid(), "limits": asdict(options.limits)}),
            processes=options.processes,
            recycle_after=options.recycle_after,
            max_line=MAX_LINE,
        )

    @classmethod
    def formats(cls, options: PluginOptions) -> Mapping[str, Sequence[str]]:
        """See ``SupportsFormats.formats``."""
        allowed = options.formats if isinstance(options, PillowOptions) else ()
        return {name: CONTENT_TYPES[name] for name in allowed}

    def could_be(self, head: bytes) -> bool:
        """See ``SupportsEarlyRefusal.could_be``."""
        if identify(head) is not None or may_have_footer(head):
            return True
        return len(head) < HEAD_SIZE and not is_other(head)

    async def detect(self, path: Path) -> ImageInfo:
        """See ``TypeDetector.detect``. Waits for a free process first; the caller sets the deadline for that.

        Raises:
            ImageTooComplex: decoding needs more memory or CPU time than the options allow.
            DetectorStalled: one process after another was stuck.
            DetectorCrashed: the process died, could not be started, or could not read the file.
        """
        name = absolute_path(path)
        try:
            reply = await self._ask_cheap(name)
            if reply is None:
                async with self._costly.turn():
                    reply = await self._ask(name, self._cpu_limit, may_be_costly=True)
        except ChildStuck as error:
            raise DetectorStalled(str(error)) from error
        except ChildDied as error:
            if _was_out_of_time(error):
                raise ImageTooComplex(str(error), resource="CPU time") from error
            raise DetectorCrashed(str(error)) from error
        except ChildFailed as error:
            raise DetectorCrashed(str(error)) from error
        return _result(reply, self._formats)

    async def _ask_cheap(self, name: str) -> bytes | None:
        """The answer about an image that needs little CPU time; None where it needs more."""
        limit = self._cheap_cpu_limit
        try:
            reply = await self._ask(name, limit, may_be_costly=False)
        except ChildDied as error:
            if _was_out_of_time(error) and limit < self._cpu_limit:
                return None
            raise
        return None if reply == _COSTLY else reply

    async def _ask(self, name: str, cpu_limit: int, *, may_be_costly: bool) -> bytes:
        """Ask one child, and another one where that is stuck, ``TRIES`` of them at most."""
        request = json_line({"path": name, "cpu_limit": cpu_limit, "may_be_costly": may_be_costly})
        for _ in range(TRIES - 1):
            try:
                return await self._pool.call(request, self._wall_limit)
            except ChildStuck:
                pass
        return await self._pool.call(request, self._wall_limit)

    async def close(self) -> None:
        """See ``TypeDetector.close``."""
        await self._pool.close()


def _was_out_of_time(error: ChildDied) -> bool:
    return error.returncode == -signal.SIGXCPU


_COSTLY: Final = json_line({"costly": True})


class _Refusal(BaseModel):
    code: str
    internal: Annotated[str, Field(max_length=MAX_INTERNAL)]
    facts: dict[Literal["limit", "format", "resource", "reason"], int | Annotated[str, Field(max_length=200)]]


class _Reply(BaseModel):
    """The answer of a child, of which one part is given."""

    recognised: ImageInfo | None = None
    refused: _Refusal | None = None
    unreadable: Annotated[str, Field(max_length=MAX_INTERNAL)] | None = None


def _result(reply: bytes, formats: tuple[str, ...]) -> ImageInfo:
    """Read the answer of a child, which a hostile image may have taken over: nothing in it is believed unchecked."""
    try:
        answer = _Reply.model_validate_json(reply, strict=True)
        if answer.recognised:
            return _checked(answer.recognised, formats)
        error = _error(answer)
    except (ValueError, KeyError) as fault:
        raise DetectorCrashed("the process answered nonsense") from fault
    raise error


def _checked(info: ImageInfo, formats: tuple[str, ...]) -> ImageInfo:
    if info.format not in formats or info.content_type not in CONTENT_TYPES[info.format]:
        raise ValueError("a format that is not allowed")
    if min(info.width, info.height, info.frames) < 1:
        raise ValueError("an empty image")
    if info.orientation not in ORIENTATIONS or not NOTES.issuperset(info.notes):
        raise ValueError("an unknown orientation or note")
    return info


def _error(answer: _Reply) -> DetectError:
    if answer.unreadable is not None:
        return DetectorCrashed(f"the file cannot be read: {answer.unreadable}")
    if answer.refused is None:
        raise ValueError("an empty answer")
    facts = cast("dict[str, Any]", answer.refused.facts)
    error = _REFUSALS[answer.refused.code](answer.refused.internal, **facts)
    _ = error.detail  # a missing fact shows here
    return error
