"""One object of ``lading.backends.local.storage`` being written or read: plain functions that block; call them in a
thread.

The order of effects of a save, and the reason for each step:

1. A temporary file on the same filesystem, so that step 5 is atomic. If the filesystem allows, the file of a small
   object has no name, and disappears with its process. Any other file is in ``.incoming``, and locked (flock) while it
   is written. The kernel drops the lock with the process, so a sweep can tell the leftover of a dead writer from the
   file of a live one, in whatever process.
2. The whole body, counted while it is written. ``guard`` hashes it on its way, and gives the last piece only if all
   bytes are as announced.
3. The count is compared with the announced size: a part is never published.
4. fsync of the file: a name must never survive a loss of power that its bytes did not.
5. A hard link under the final name, which fails if the name is taken (create-only, unlike a rename); then the temporary
   name goes.
6. fsync of the folder, and of the folders above it that this process sees for the first time: until then the name may
   be lost with the power. Only after this the caller may record that the object is stored.
"""

import errno
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from ...plugins.errors import ContentMismatch, KeyInvalid, ObjectExists, StorageUnavailable
from .files import NO_HARD_LINKS, BodyFile, Identity, LockedFile, NewFile, TemporaryFile, UnnamedFile
from .tree import Tree, is_object, split

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


_CANNOT_BE_PLACED: Final = NO_HARD_LINKS | {errno.ENOENT, errno.EXDEV}
"""The errors of linkat(2) for a file that had a name once, or was opened with O_EXCL, and for a file on another mount.
"""


_Result = TypeVar("_Result")
Steps = Generator[None, None, _Result]
"""An operation that pauses between its steps."""


class Abandoned(StorageUnavailable):
    """The caller gave the upload up before it was published."""


class Upload:
    """One object being written.

    Args:
        tree: the folder of the objects.
        key: its key.
        byte_size: its announced size.

    Raises:
        KeyInvalid: see ``split``.
    """

    def __init__(self, tree: Tree, key: str, byte_size: int) -> None:
        self._tree = tree
        self._folders, self._name = split(key)
        self._byte_size = byte_size
        self.file: TemporaryFile | None = None
        self._abandoned = False
        self.published = False

    def begin(self) -> None:
        """Create the temporary file.

        Raises:
            ObjectExists: the key is taken already.
            KeyInvalid: a file that is no folder takes a part of the key.
            Abandoned: ``abandon`` was called meanwhile; the file is removed, since its caller may not wait any more.
            OSError: the file cannot be created.
        """
        with self._folder() as folder:
            if is_object(self._name, folder):
                self._refuse(folder)
        self.file = TemporaryFile.create(self._tree.incoming)
        if self._abandoned:
            self.release()
            raise Abandoned

    def save(self, body: "ReadableBuffer") -> None:
        """Write and publish the whole object at once. Raises the errors of ``begin`` and ``publish``."""

        def write(file: NewFile) -> None:
            file.write(body)

        with self._folder() as folder:
            if _at_once(self._save_unnamed(write, folder)):
                return
        self._save_named(write)

    def save_file(self, path: str | Path, expected: Identity | None = None) -> None:
        """Publish the file at ``path``: the file itself, if it has no name and is on the same filesystem, otherwise a
        copy. Raises the errors of ``BodyFile.open``, ``begin`` and ``publish``.
        """
        _at_once(self.steps(path, expected))

    def steps(self, path: str | Path, expected: Identity | None = None) -> Steps[None]:
        """``save_file`` in steps, the ends of steps 3 to 5 of the module docstring. Syncs of several objects cost less
        if they follow each other.
        """
        with BodyFile.open(path, expected) as source:
            _compare(source, self._byte_size)
            with self._folder() as folder:
                if (yield from self._take_over(source, folder)):
                    return
                if (yield from self._save_unnamed(source.copy_to, folder)):
                    return
            self._save_named(source.copy_to)

    def _take_over(self, source: BodyFile, folder: int) -> Steps[bool]:
        """Make the file the object; False, with no effect, if that is not possible."""
        if not source.can_be_placed(folder):
            return False
        yield
        os.fsync(source)
        yield
        try:
            yield from self._publish_in(folder, source)
        except OSError as error:
            if error.errno in _CANNOT_BE_PLACED:
                return False
            raise
        self.published = True
        return True

    def _save_unnamed(self, write: Callable[[NewFile], None], folder: int) -> Steps[bool]:
        """Publish a new file without a name after writing it: there is no name to lock, remove or sweep. False, with no
        effect, if the filesystem has no such files or no hard links.
        """
        file = UnnamedFile.create(folder)
        if file is None:
            return False
        with file:
            write(file)
            _compare(file, self._byte_size)
            yield
            os.fsync(file)
            yield
            try:
                yield from self._publish_in(folder, file)
            except OSError as error:
                if error.errno in NO_HARD_LINKS:
                    return False
                raise
        self.published = True
        return True

    def _save_named(self, write: Callable[[NewFile], None]) -> None:
        """Publish a new file in ``.incoming`` after writing it."""
        try:
            self.begin()
            if self.file is not None:
                write(self.file)
            self.publish()
        finally:
            self.release()

    def publish(self) -> None:
        """Make the object durable and visible; steps 3 to 6 of the module docstring.

        Raises:
            ContentMismatch: more or fewer bytes were written than announced.
            ObjectExists: the key was taken meanwhile.
            KeyInvalid: a part of the key is taken by something that is not an object or not a folder.
            Abandoned: ``abandon`` was called in time.
            OSError: it failed, and nothing is visible.
        """
        if self.file is None:
            raise ValueError("nothing was begun")
        _compare(self.file, self._byte_size)
        os.fsync(self.file)
        with self._folder() as folder:
            _at_once(self._publish_in(folder, self.file))
        self.published = True
        self.release()

    def abandon(self) -> None:
        """Keep a ``begin`` in another thread from leaving a file, and a ``publish`` from publishing, if it is not too
        late.
        """
        self._abandoned = True

    def release(self) -> None:
        """Remove the temporary file and close it. May be called again; raises nothing."""
        file, self.file = self.file, None
        if file is not None:
            file.discard()

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """The opened folder of the key, durable."""
        try:
            with self._tree.folder(self._folders, create=True) as folder:
                yield folder
        except NotADirectoryError as error:
            raise KeyInvalid(f"a part of the key is taken by something that is not a folder: {error}") from error

    def _refuse(self, folder: int) -> NoReturn:
        """Refuse a taken key, once its object is known to be durable.

        Its writer may have died, or may be, between steps 5 and 6, and the caller may rely on the object.
        """
        os.fsync(folder)
        raise ObjectExists

    def _publish_in(self, folder: int, file: NewFile) -> Steps[None]:
        if self._abandoned:
            raise Abandoned
        try:
            file.place(self._name, folder)
        except FileExistsError as error:
            if is_object(self._name, folder):
                self._refuse(folder)
            raise KeyInvalid(f"the key is taken by something that is not an object: {self._name}") from error
        try:
            file.forget()
            yield
            os.fsync(folder)
        except BaseException:
            # Visible, but not known to be durable: the caller gets an error, so the object must go.
            os.unlink(self._name, dir_fd=folder)
            raise


class Deletion:
    """The deletion of one object. ``abandon`` prevents it, if it is not too late.

    After the caller has given up, somebody may delete the object and save a new one under the key.
    """

    def __init__(self, tree: Tree, key: str) -> None:
        self._tree = tree
        self._key = key
        self._abandoned = False

    def run(self) -> None:
        """Delete the object. Raises the errors of ``Tree.delete``, and Abandoned."""
        if self._abandoned:
            raise Abandoned
        self._tree.delete(self._key)

    def abandon(self) -> None:
        """The caller has given up."""
        self._abandoned = True


class Reading:
    """One object, or a range of it, being read.

    Args:
        tree: the folder of the objects.
        key: its key.
        offset: first byte of the range.
        length: the largest number of bytes in the range, or None for all that follow.
    """

    def __init__(self, tree: Tree, key: str, offset: int, length: int | None) -> None:
        self._tree = tree
        self._key = key
        self._offset = offset
        self._length = length
        self.file: LockedFile | None = None
        self.byte_size = 0
        """Size of the whole object, known after ``begin``."""
        self.count = 0
        """Size of the range, known after ``begin``."""

    def begin(self) -> None:
        """Open the object and go to the beginning of the range. Raises the errors of ``Tree.open``."""
        self.file = LockedFile(self._tree.open(self._key), "rb")
        self.byte_size = os.fstat(self.file.fileno()).st_size
        rest = max(0, self.byte_size - self._offset)
        self.count = rest if self._length is None else min(rest, self._length)
        self.file.seek(self._offset)

    def release(self) -> None:
        """Close the file. May be called again; raises nothing."""
        file, self.file = self.file, None
        if file is not None:
            with suppress(OSError):
                file.close()


def _at_once(steps: Steps[_Result]) -> _Result:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result


def _compare(file: NewFile, byte_size: int) -> None:
    if file.byte_size != byte_size:
        raise ContentMismatch(f"{file.byte_size} bytes instead of {byte_size}")
