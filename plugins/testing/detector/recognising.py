"""Cases of the detector suite: good files, wherever they lie and whatever they are called."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest

from ...capabilities import LONGEST_HEAD, SupportsEarlyRefusal, SupportsFormats
from ...contracts import ImageInfo
from ...errors import NotAnImage
from ..cancellation import attempt
from ..leaks import temporary_folder
from ..suite import UNSUPPORTED
from .naming import assert_named
from .support import DetectorHarness, assert_plausible, assert_raises, assert_says, judged

EARLY_SIZES = [64, 100, 511, 1024, LONGEST_HEAD]
ENDINGS = ["txt", "jpg", "png", "svg", "exe", "tar.gz", "JPEG", "png.gz"]
ODD_NAMES = ["two words", "new\nline", "bild-ü-图-🖼", "-rf", "a;b|c&d$(e)`f`'g\"h", "%2e%2e", "\udcff\udcfe", "x" * 200]
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


@contextmanager
def sealed(data: bytes) -> Iterator[int]:
    """A descriptor of a file without a name that nobody can change any more."""
    descriptor = os.memfd_create("image", os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


def traces(path: Path) -> tuple[object, ...]:
    """What changes where a file is written to, or where another is made beside it, if only for a moment."""
    status, folder = path.stat(), path.parent.stat()
    return (
        *(status.st_ino, status.st_size, status.st_mode, status.st_nlink, status.st_mtime_ns, status.st_ctime_ns),
        *(folder.st_mtime_ns, folder.st_ctime_ns),
        tuple(path.parent.iterdir()),
        path.read_bytes(),
    )


class RecognisingCases(DetectorHarness):
    async def test_every_sample_is_recognised(self) -> None:
        """Each file of ``samples()`` has the format, type, size and frames that the sample states."""
        async with self.opened() as detector:
            assert self.samples(), "no samples"
            for sample in self.samples():
                await self.assert_recognised(detector, sample)

    async def test_values_are_plausible(self) -> None:
        """Each result is a well-formed ``ImageInfo``."""
        async with self.opened() as detector:
            for sample in self.samples():
                with self.file(sample.data) as path:
                    info = await detector.detect(path)
                assert isinstance(info, ImageInfo), f"{sample.name}: {info!r}"
                assert_plausible(info, sample.name)

    async def test_formats_are_named_as_the_service_names_them(self) -> None:
        """A format whose media type the service knows has the service's name, in each result and in ``formats``."""
        async with self.opened() as detector:
            declared = detector.formats(detector.options) if isinstance(detector, SupportsFormats) else None
            for sample in self.samples():
                assert_named(sample.content_type, sample.format, f"{sample.name} of samples()")
                with self.file(sample.data) as path:
                    info = await detector.detect(path)
                assert_named(info.content_type, info.format, sample.name)
                if declared is not None:
                    types = declared.get(info.format, ())
                    assert info.content_type in types, (
                        f"{sample.name} is {info.format}, {info.content_type}, which formats() leaves out: "
                        f"it has {dict(declared)}"
                    )

    async def test_several_frames(self) -> None:
        """A sample of several frames has their number, and has it whole or is refused when its end is cut off."""
        self.require("several_frames")
        moving = [sample for sample in self.samples() if sample.frames > 1]
        if not moving:
            pytest.skip(f"{UNSUPPORTED}several_frames: no file of samples() has several")
        async with self.opened() as detector:
            for sample in moving:
                await self.assert_recognised(detector, sample)
                for frame in range(1, sample.frames):
                    length = len(sample.data) * frame // sample.frames
                    what = f"the first {length} of {len(sample.data)} bytes of {sample.name}"
                    outcome = await self.outcome(detector, sample.data[:length], what)
                    if isinstance(outcome, ImageInfo):
                        assert outcome.frames == sample.frames, (
                            f"{what}: {outcome.frames} frames instead of {sample.frames}: a file that has lost frames "
                            "is refused (ImageCorrupt)"
                        )

    async def test_twice_the_same(self) -> None:
        """The same file gives the same result, or the same refusal, every time."""
        async with self.opened() as detector:
            for sample in self.samples():
                with self.file(sample.data) as path:
                    first, second = await detector.detect(path), await detector.detect(path)
                assert first == second, f"{sample.name}: {first}, then {second}"
            for refused in self.refused():
                await self.assert_refused(detector, refused)
                await self.assert_refused(detector, refused)

    async def test_nothing_that_it_knows_is_refused_early(self) -> None:
        """``could_be`` of a detector that has it is True for the first bytes of each file of a known format."""
        async with self.opened() as detector:
            if not isinstance(detector, SupportsEarlyRefusal):
                return
            known = {sample.name: sample.data for sample in self.samples()}
            known |= {one.name: one.data for one in self.refused() if not issubclass(one.error, NotAnImage)}
            for name, data in known.items():
                for size in EARLY_SIZES:
                    if size <= len(data):
                        assert detector.could_be(data[:size]) is True, f"{name} is refused by its first {size} bytes"

    # --- where the file lies ------------------------------------------------------------------------------------------

    async def test_a_file_known_by_its_descriptor(self) -> None:
        """The detector reads a path in ``/proc/self/fd``, and in ``/proc/PID/fd``."""
        async with self.opened() as detector:
            for sample in self.samples():
                with self.file(sample.data) as path, path.open("rb") as file:
                    for process in ("self", str(os.getpid())):
                        assert_says(await detector.detect(Path(f"/proc/{process}/fd/{file.fileno()}")), sample)

    async def test_a_file_that_has_lost_its_name(self) -> None:
        """The detector reads an open file that was deleted, not the new file of the same name."""
        async with self.opened() as detector:
            for sample in self.samples():
                with self.file(sample.data) as path, path.open("r+b") as file:
                    path.unlink()
                    path.write_bytes(b"another file took its name")
                    assert_says(await detector.detect(Path(f"/proc/self/fd/{file.fileno()}")), sample)

    async def test_a_file_in_memory_that_nobody_may_change(self) -> None:
        """The detector reads a sealed file in memory (``memfd_create``)."""
        async with self.opened() as detector:
            for sample in self.samples():
                with sealed(sample.data) as descriptor:
                    assert_says(await detector.detect(Path(f"/proc/self/fd/{descriptor}")), sample)

    async def test_a_descriptor_keeps_its_position(self) -> None:
        """The detector reads the file from its start, and leaves the position of the descriptor as it was."""
        async with self.opened() as detector:
            for sample in self.samples():
                with sealed(sample.data) as descriptor:
                    for position in (0, 7, len(sample.data)):
                        os.lseek(descriptor, position, os.SEEK_SET)
                        assert_says(await detector.detect(Path(f"/proc/self/fd/{descriptor}")), sample)
                        assert os.lseek(descriptor, 0, os.SEEK_CUR) == position, f"{sample.name}: the position moved"

    async def test_a_symbolic_link(self) -> None:
        """The detector follows a symbolic link."""
        async with self.opened() as detector:
            for sample in self.samples():
                with self.file(sample.data) as path, self.file(b"") as link:
                    link.unlink()
                    link.symlink_to(path)
                    assert_says(await detector.detect(link), sample)

    async def test_a_relative_path(self) -> None:
        """The detector reads a path relative to the working directory."""
        async with self.opened() as detector:
            for sample in self.samples():
                with self.file(sample.data) as path, chdir(path.parent):
                    assert_says(await detector.detect(Path(path.name)), sample)

    async def test_a_file_that_may_only_be_read(self) -> None:
        """The detector needs no permission to write the file or its folder."""
        async with self.opened() as detector:
            for sample in self.samples():
                with self.file(sample.data) as path:
                    path.chmod(0o400)
                    path.parent.chmod(0o500)
                    try:
                        assert_says(await detector.detect(path), sample)
                    finally:
                        path.parent.chmod(0o700)

    async def test_the_file_and_its_folder_are_left_alone(self) -> None:
        """The detector changes neither the file nor its folder, and creates no file beside it."""
        files = [(sample.name, sample.data) for sample in self.samples()]
        files += [(refused.name, refused.data) for refused in self.refused()]
        async with self.opened() as detector:
            for name, data in [*files, ("text", b"no image")]:
                with self.file(data) as path:
                    before = traces(path)
                    judged(await attempt(detector.detect(path)), name)
                    assert traces(path) == before, f"{name}: the file or its folder was touched"

    async def test_no_temporary_file_is_left(self) -> None:
        """Once the detector is closed, no temporary file of its own or of its children is left."""
        with temporary_folder() as folder:
            async with self.opened() as detector:
                for sample in self.samples():
                    await self.assert_recognised(detector, sample)
                for refused in self.refused():
                    await self.assert_refused(detector, refused)
            left = sorted(path.name for path in folder.iterdir())
        assert not left, f"temporary files are left: {', '.join(left)}"

    # --- what it is called --------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("ending", ENDINGS)
    async def test_the_ending_of_a_name_means_nothing(self, ending: str) -> None:
        """Only the content decides: a misleading file extension changes no result."""
        async with self.opened() as detector:
            for sample in self.samples():
                with self.file(sample.data, f"image.{ending}") as path:
                    assert_says(await detector.detect(path), sample)
            with self.file(b"no image", f"image.{ending}") as path:
                assert_raises(judged(await attempt(detector.detect(path)), ending), NotAnImage, ending)

    async def test_any_name(self) -> None:
        """The detector reads files with spaces, line breaks, shell characters or invalid UTF-8 in their names."""
        sample = self.samples()[0]
        async with self.opened() as detector:
            for name in ODD_NAMES:
                with self.file(sample.data, name) as path:
                    assert_says(await attempt(detector.detect(path)), sample)

    async def test_nothing_is_remembered_of_a_name(self) -> None:
        """The detector reads a path again, though size and modification time stayed the same."""
        async with self.opened() as detector:
            with self.file(b"") as path:
                for sample in self.samples():
                    # Of the same size and age as what was there before: only reading it tells.
                    for data in (sample.data, bytes(len(sample.data)), sample.data):
                        path.write_bytes(data)
                        os.utime(path, (1_000_000_000, 1_000_000_000))
                        outcome = judged(await attempt(detector.detect(path)), sample.name)
                        if data == sample.data:
                            assert_says(outcome, sample)
                        else:
                            assert_raises(outcome, NotAnImage, f"zeros in place of {sample.name}")

    # --- many at once -------------------------------------------------------------------------------------------------

    async def test_many_at_once(self) -> None:
        """Concurrent calls for different files give each file its own result."""
        samples, refused = self.samples(), self.refused()
        async with self.opened() as detector, asyncio.TaskGroup() as tasks:
            for number in range(max(16, len(samples))):
                tasks.create_task(self.assert_recognised(detector, samples[number % len(samples)]))
                tasks.create_task(self.assert_refused(detector, refused[number % len(refused)]))

    async def test_one_file_many_times_at_once(self) -> None:
        """Concurrent calls for one file all give its result."""
        sample = self.samples()[-1]
        async with self.opened() as detector:
            with self.file(sample.data) as path:
                for info in await asyncio.gather(*(detector.detect(path) for _ in range(16))):
                    assert_says(info, sample)
