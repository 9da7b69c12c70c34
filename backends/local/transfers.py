"""One object of ``lading.backends.local.storage`` being written or read: plain functions that block, to be called in a
thread.

The order of effects of a save, and what each step guards against:

1. A temporary file on the same filesystem, so that step 5 is atomic. Where it can, a small object has one without a
   name, which ends with its process. Any other is in ``.incoming``, and locked (flock) as long as it is written; the
   kernel drops the lock with the process, so a sweep can tell a dead writer's leftover from a live writer's file,
   whatever process either belongs to.
2. The whole body, counted as it is written. ``guard`` hashes it on its way here, and gives the last piece only where
   all are what was announced.
3. The count is compared with what was announced: no part is ever published.
4. fsync of the file: a name must never survive a loss of power that its bytes did not.
5. A hard link under the final name, which fails where the name is taken (create-only, unlike a rename); then the
   temporary name goes.
6. fsync of the folder, and of the folders above it that this process sees for the first time: until then the name
   itself may be lost with the power. Only now may the caller record that the object is stored.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from ...plugins.errors import ContentMismatch, KeyInvalid, ObjectExists, StorageUnavailable
from .files import NO_HARD_LINKS, BodyFile, Identity, LockedFile, NewFile, TemporaryFile, UnnamedFile
from .tree import Tree, is_object, split

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


_CANNOT_BE_PLACED: Final = NO_HARD_LINKS | {errno.ENOENT, errno.EXDEV}
"""What linkat(2) says of a file that had a name once, or was opened with O_EXCL; of one on another mount."""


class Abandoned(StorageUnavailable):
    """The caller gave the upload up before it was published."""


class Upload:
    """One object being written.

    Args:
        tree: where it goes.
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
            KeyInvalid: a part of the key is taken by something that is not a folder.
            Abandoned: ``abandon`` was called meanwhile; the file is removed, since its caller may wait no more.
            OSError: the file cannot be created.
        """
        with _folders_of_key(), self._tree.folder(self._folders, create=True) as folder:
            if is_object(self._name, folder):
                self._refuse(folder)
        self.file = TemporaryFile.create(self._tree.incoming)
        if self._abandoned:
            self.release()
            raise Abandoned

    def save(self, body: "ReadableBuffer") -> None:
        """Write and publish the whole object at once. Raises what ``begin`` and ``publish`` raise."""
        self._save(lambda file: file.write(body))

    def save_file(self, path: Path, expected: Identity | None = None) -> None:
        """Publish what the file at ``path`` holds: where it has no name and is on the same filesystem, the file itself,
        or else a copy of it. Raises what ``BodyFile.open``, ``begin`` and ``publish`` raise.
        """
        with BodyFile.open(path, expected) as source:
            _compare(source, self._byte_size)
            if not self._take_over(source):
                self._save(source.copy_to)

    def _take_over(self, source: BodyFile) -> bool:
        """False where the file cannot be the object, and nothing was done."""
        with _folders_of_key(), self._tree.folder(self._folders, create=True) as folder:
            if not source.can_be_placed(folder):
                return False
            os.fsync(source)
            try:
                self._publish_in(folder, source)
            except OSError as error:
                if error.errno in _CANNOT_BE_PLACED:
                    return False
                raise
        self.published = True
        return True

    def _save(self, write: Callable[[NewFile], object]) -> None:
        """Publish what is written into a new file.

        Where the filesystem has files without a name, one of these takes the place of the temporary one: there is no
        name to be locked, removed or swept.
        """
        if self._save_unnamed(write):
            return
        try:
            self.begin()
            if self.file is not None:
                write(self.file)
            self.publish()
        finally:
            self.release()

    def _save_unnamed(self, write: Callable[[NewFile], object]) -> bool:
        """False where the filesystem has no files without a name, or no hard links, and nothing was done."""
        with _folders_of_key(), self._tree.folder(self._folders, create=True) as folder:
            file = UnnamedFile.create(folder)
            if file is None:
                return False
            with file:
                write(file)
                _compare(file, self._byte_size)
                os.fsync(file)
                try:
                    self._publish_in(folder, file)
                except OSError as error:
                    if error.errno in NO_HARD_LINKS:
                        return False
                    raise
        self.published = True
        return True

    def publish(self) -> None:
        """Make the object durable and visible; steps 3 to 6 of the module docstring.

        Raises:
            ContentMismatch: more or fewer bytes were written than were announced.
            ObjectExists: the key was taken meanwhile.
            KeyInvalid: a part of the key is taken by something that is not an object or not a folder.
            Abandoned: ``abandon`` was called in time.
            OSError: it failed, and nothing is visible.
        """
        if self.file is None:
            raise ValueError("nothing was begun")
        _compare(self.file, self._byte_size)
        os.fsync(self.file)
        with _folders_of_key(), self._tree.folder(self._folders, create=True) as folder:
            self._publish_in(folder, self.file)
        self.published = True
        self.release()

    def abandon(self) -> None:
        """Keep a ``begin`` in another thread from leaving a file, or a ``publish`` from publishing, if it still can."""
        self._abandoned = True

    def release(self) -> None:
        """Remove the temporary file and close it. May be called again; raises nothing."""
        file, self.file = self.file, None
        if file is not None:
            file.discard()

    def _refuse(self, folder: int) -> NoReturn:
        """Refuse a key that is taken, once its object is known to be durable.

        Its writer may have died, or may be, between steps 5 and 6; and the caller may rely on what it finds.
        """
        os.fsync(folder)
        raise ObjectExists

    def _publish_in(self, folder: int, file: NewFile) -> None:
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
            os.fsync(folder)
        except BaseException:
            # Visible but not known to be durable: the caller is told of a failure, so it must not be there.
            os.unlink(self._name, dir_fd=folder)
            raise


class Deletion:
    """One object being deleted; ``abandon`` keeps it from that, if it still can.

    Whoever gives up may try again later, or another may, and a new object may have the key by then.
    """

    def __init__(self, tree: Tree, key: str) -> None:
        self._tree = tree
        self._key = key
        self._abandoned = False

    def run(self) -> None:
        """Delete it. Raises what ``Tree.delete`` raises, and Abandoned."""
        if self._abandoned:
            raise Abandoned
        self._tree.delete(self._key)

    def abandon(self) -> None:
        """The caller has given it up."""
        self._abandoned = True


class Reading:
    """One object, or a range of one, being read.

    Args:
        tree: where it lies.
        key: its key.
        offset: first byte of the range.
        length: number of bytes of the range at most, or None for all that follow.
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
        """Open the object and go to the beginning of the range. Raises what ``Tree.open`` raises."""
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


@contextmanager
def _folders_of_key() -> Iterator[None]:
    try:
        yield
    except NotADirectoryError as error:
        raise KeyInvalid(f"a part of the key is taken by something that is not a folder: {error}") from error


def _compare(file: NewFile, byte_size: int) -> None:
    if file.byte_size != byte_size:
        raise ContentMismatch(f"{file.byte_size} bytes instead of {byte_size}")
