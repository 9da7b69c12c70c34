"""Cases of the processor suite: where the image lies, and that nothing but the output is written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from ...contracts.processing import Processor
from ...errors import ProcessError
from ..images import Sample
from ..leaks import temporary_folder
from .support import Made, ProcessorHarness, picture_of

NAMES = ("image.txt", "image.svg", "image.jpg", "image.png", "two words", "new\nline", "-rf", "\udcff\udcfe", "x" * 200)


class ReadingCases(ProcessorHarness):
    async def test_the_name_of_the_file_means_nothing(self) -> None:
        """Only the content decides: no name of the file changes an answer."""
        async with self.opened() as processor:
            for sample in self.samples():
                expected = await self.treat(processor, sample)
                for name in NAMES:
                    with self.file(sample.data, name) as path:
                        made = self.accepted(await self.call(processor, picture_of(sample, path), name), name)
                    self.assert_same(expected, made, f"{sample.name} named {name!r}")

    async def test_a_file_without_a_name(self) -> None:
        """The processor reads a path in ``/proc/self/fd`` and in ``/proc/PID/fd``, of an open file that was deleted."""
        async with self.opened() as processor:
            for sample in self.samples():
                expected = await self.treat(processor, sample)
                for process in ("self", str(os.getpid())):
                    what = f"{sample.name} without a name"
                    with self.file(sample.data) as path, path.open("rb") as file:
                        path.unlink()
                        path.write_bytes(b"another file took its name")
                        picture = picture_of(sample, Path(f"/proc/{process}/fd/{file.fileno()}"))
                        self.assert_same(expected, self.accepted(await self.call(processor, picture, what), what), what)

    async def test_the_image_and_its_folder_are_left_alone(self) -> None:
        """The processor changes neither the image nor its folder, and creates no file beside it."""
        async with self.opened() as processor:
            for sample in (*self.samples(), *(one.sample for one in self.rejected())):
                with self.file(sample.data) as path:
                    before = _traces(path)
                    await self.call(processor, picture_of(sample, path), sample.name)
                    assert _traces(path) == before, f"{sample.name}: the image or its folder was touched"

    async def test_no_file_is_left_behind(self) -> None:
        """No temporary file is left once the call ends, nor a file in the working directory."""
        async with self.opened() as processor:
            for sample in (*self.samples(), *(one.sample for one in self.rejected())):
                with self._own_folders() as folder:
                    await self._answer(processor, sample)
                    left = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))
                assert not left, f"{sample.name}: left behind: {', '.join(left)}"

    async def _answer(self, processor: Processor, sample: Sample) -> Made | ProcessError:
        with self.file(sample.data) as path:
            return await self.call(processor, picture_of(sample, path.absolute()), sample.name)

    @contextmanager
    def _own_folders(self) -> Iterator[Path]:
        """Empty folders as the working directory and as the place for temporary files, both in one."""
        self.place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.place.absolute()) as name:
            folder = Path(name)
            (folder / "working").mkdir()
            with temporary_folder(folder), chdir(folder / "working"):
                yield folder


def _traces(path: Path) -> tuple[object, ...]:
    status, folder = path.stat(), path.parent.stat()
    return (
        *(status.st_ino, status.st_size, status.st_mode, status.st_nlink, status.st_mtime_ns, status.st_ctime_ns),
        *(folder.st_mtime_ns, folder.st_ctime_ns),
        tuple(path.parent.iterdir()),
        path.read_bytes(),
    )
