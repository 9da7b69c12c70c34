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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ...capabilities import SupportsEarlyRefusal, SupportsFormats, SupportsThumbnails
from ...contracts import ImageInfo, TypeDetector
from ...errors import DetectorCrashed, DetectorStalled, ImageTooComplex
from ...host.children import absolute_path, child_environment, json_line, python_command
from ...host.turns import Turns
from ...options import Names, PluginOptions
from .early import is_other
from .formats import CONTENT_TYPES, HEAD_SIZE, identify
from .limits import MAX_ANSWER, Limits, Placeholder
from .pool.children import ChildDied, ChildFailed, ChildPool, ChildStuck
from .pool.groups import Groups
from .replies import placeholder_in, recognised_in, thumbnail_in
from .signatures import may_have_footer

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


class PillowDetector(SupportsEarlyRefusal, SupportsFormats, SupportsThumbnails, TypeDetector):
    """See ``TypeDetector``. ``NotAnImage`` means that the first bytes are of no format known here."""

    contract_version = 1
    Options = PillowOptions

    def __init__(self, options: PillowOptions) -> None:
        super().__init__(options)
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
            max_line=MAX_ANSWER,
        )
        self._groups = Groups(self._pool, self._recognition, options.wall_limit)

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

    @property
    def recipe(self) -> str:
        """See ``SupportsThumbnails.recipe``."""
        return _RECIPE

    async def detect(self, path: Path) -> ImageInfo:
        """See ``TypeDetector.detect``. Waits for a free process first; the caller sets the deadline for that.

        Raises:
            ImageTooComplex: decoding needs more memory or CPU time than the options allow.
            DetectorStalled: one process after another was stuck.
            DetectorCrashed: the process died, could not be started, or could not read the file.
        """
        return recognised_in(await self._reply(path, _RECOGNISED), self._formats)

    async def thumbnail(self, path: Path, *, side: int, content_type: str) -> bytes:
        """See ``SupportsThumbnails.thumbnail``. Waits and raises as ``detect``."""
        wanted = {"side": side, "content_type": content_type}
        return thumbnail_in(await self._reply(path, "thumbnail", wanted), content_type)

    async def placeholder(self, path: Path) -> Placeholder:
        """What a page shows before the image. Waits and raises as ``detect``."""
        return placeholder_in(await self._reply(path, "placeholder"))

    async def _reply(self, path: Path, wanted: str, thumbnail: Mapping[str, Any] | None = None) -> bytes:
        """The answer of a child about a file."""
        question = {"paths": [absolute_path(path)], "wanted": wanted, "thumbnail": thumbnail}
        try:
            reply = await self._ask_cheap(question)
            if reply is None:
                async with self._costly.turn():
                    line = _line(question, self._cpu_limit, may_be_costly=True)
                    reply = await _insisting(lambda: self._pool.call(line, self._wall_limit))
        except ChildStuck as error:
            raise DetectorStalled(str(error)) from error
        except ChildDied as error:
            if _was_out_of_time(error):
                raise ImageTooComplex(str(error), resource="CPU time") from error
            raise DetectorCrashed(str(error)) from error
        except ChildFailed as error:
            raise DetectorCrashed(str(error)) from error
        return reply

    async def _ask_cheap(self, question: Mapping[str, Any]) -> bytes | None:
        """The answer about an image that needs little CPU time; None where it needs more."""
        limit = self._cheap_cpu_limit
        try:
            if question["wanted"] == _RECOGNISED:
                reply = await _insisting(lambda: self._groups.call(question["paths"][0]))
            else:
                line = _line(question, limit, may_be_costly=False)
                reply = await _insisting(lambda: self._pool.call(line, self._wall_limit))
        except ChildDied as error:
            if _was_out_of_time(error) and limit < self._cpu_limit:
                return None
            raise
        return None if reply.startswith(_COSTLY) else reply

    def _recognition(self, paths: Sequence[str]) -> bytes:
        """The question what the images at these paths are, if they need little CPU time."""
        question = {"paths": paths, "wanted": _RECOGNISED, "thumbnail": None}
        return _line(question, self._cheap_cpu_limit, may_be_costly=False)

    async def close(self) -> None:
        """See ``TypeDetector.close``."""
        await self._pool.close()


def _line(question: Mapping[str, Any], cpu_limit: int, *, may_be_costly: bool) -> bytes:
    """A request for a child. The limit is for each of its files."""
    return json_line({**question, "cpu_limit": cpu_limit, "may_be_costly": may_be_costly})


async def _insisting(ask: Callable[[], Awaitable[bytes]]) -> bytes:
    """Ask one child, and another one where that is stuck, ``TRIES`` of them at most."""
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except ChildStuck:
            pass
    return await ask()


def _was_out_of_time(error: ChildDied) -> bool:
    return error.returncode == -signal.SIGXCPU


_COSTLY: Final = b'{"costly"'
_RECOGNISED: Final = "recognised"
_RECIPE: Final = f"1, Pillow {version('pillow')}"
"""The number is raised whenever ``thumbnails`` makes other thumbnails than before."""
