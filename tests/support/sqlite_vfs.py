"""Faults below SQLite: a VFS that counts what SQLite asks of its files, and has any of it fail with any code.

It is a copy of the default VFS (https://sqlite.org/c3ref/vfs.html), made the default of this process while it is in
use. Files are opened by the original, which then finds their methods (https://sqlite.org/c3ref/io_methods.html)
exchanged for functions of Python. It needs the library that Python's own module uses, with its functions exported;
without it a test is skipped, unless ``LADING_REQUIRE`` names ``sqlite``.
"""

import _sqlite3
import contextlib
import ctypes
import itertools
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any, Final

from tests.support.servers.programs import missing

ORIGINAL: Final = "unix"
"""Name of the default VFS; ``file:...?vfs=unix`` opens a file that no fault concerns."""


LONGEST_NAP: Final = 0.001
_OPEN_READONLY: Final = 1
_OPEN_TO_WRITE: Final = 2 | 4
"""https://sqlite.org/c3ref/c_open_autoproxy.html"""


class _Vfs(ctypes.Structure):
    pass


_XOPEN = CFUNCTYPE(c_int, POINTER(_Vfs), c_void_p, c_void_p, c_int, c_void_p)
_XDELETE = CFUNCTYPE(c_int, POINTER(_Vfs), c_void_p, c_int)
_XACCESS = CFUNCTYPE(c_int, POINTER(_Vfs), c_void_p, c_int, c_void_p)
_XFULL = CFUNCTYPE(c_int, POINTER(_Vfs), c_void_p, c_int, c_void_p)
_XSLEEP = CFUNCTYPE(c_int, POINTER(_Vfs), c_int)
_Vfs._fields_ = [
    ("iVersion", c_int),
    ("szOsFile", c_int),
    ("mxPathname", c_int),
    ("pNext", c_void_p),
    ("zName", c_char_p),
    ("pAppData", c_void_p),
    ("xOpen", _XOPEN),
    ("xDelete", _XDELETE),
    ("xAccess", _XACCESS),
    ("xFullPathname", _XFULL),
    *((name, c_void_p) for name in ("xDlOpen", "xDlError", "xDlSym", "xDlClose", "xRandomness")),
    ("xSleep", _XSLEEP),
    *((name, c_void_p) for name in ("xCurrentTime", "xGetLastError", "xCurrentTimeInt64")),
    *((name, c_void_p) for name in ("xSetSystemCall", "xGetSystemCall", "xNextSystemCall")),
]

# The methods that are exchanged, with their arguments after the file itself.
_METHODS: Final[dict[str, Any]] = {
    "xClose": CFUNCTYPE(c_int, c_void_p),
    "xRead": CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64),
    "xWrite": CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64),
    "xTruncate": CFUNCTYPE(c_int, c_void_p, c_int64),
    "xSync": CFUNCTYPE(c_int, c_void_p, c_int),
    "xFileSize": CFUNCTYPE(c_int, c_void_p, c_void_p),
    "xLock": CFUNCTYPE(c_int, c_void_p, c_int),
    "xShmMap": CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int, c_void_p),
    "xShmLock": CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int),
}
_ORDER: Final = (
    *("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock", "xCheckReservedLock"),
    *("xFileControl", "xSectorSize", "xDeviceCharacteristics", "xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap"),
    *("xFetch", "xUnfetch"),
)


class _IoMethods(ctypes.Structure):
    _fields_ = (("iVersion", c_int), *((name, _METHODS.get(name, c_void_p)) for name in _ORDER))


class _File(ctypes.Structure):
    _fields_ = (("pMethods", POINTER(_IoMethods)),)


@dataclass(frozen=True, slots=True)
class Request:
    """Something that SQLite asks of the VFS.

    Attributes:
        method: such as ``xWrite``.
        file: ``db``, ``wal``, ``shm`` (of which SQLite asks by the methods of the database), or ``other``.
    """

    method: str
    file: str


class Faults:
    """What fails. Threads of the process share it.

    Attributes:
        requests: how often what was asked since ``count`` was called.
        failed: how many requests failed since ``fail`` was called.
        is_read_only: whether files can be opened for reading alone.
    """

    def __init__(self) -> None:
        self.requests: Counter[Request] = Counter()
        self.failed = 0
        self.is_read_only = False
        self._code_of: Callable[[Request], int] = _works
        self._lock = threading.Lock()

    def count(self) -> None:
        """Let everything work, and note what is asked from now on."""
        with self._lock:
            self._code_of = _works
            self.requests = Counter()

    def fail(self, number: int, code: int, kind: Request, *, stays: bool = False) -> None:
        """Have a request fail from now on, without being carried out.

        Args:
            number: which of its kind; the next is 0.
            code: the result code of SQLite.
            kind: what is asked.
            stays: those of its kind after it fail as well.
        """
        numbers = itertools.count()

        def code_of(request: Request) -> int:
            at = next(numbers) if request == kind else -1
            return code if at == number or (stays and at > number) else sqlite3.SQLITE_OK

        with self._lock:
            self.failed = 0
            self._code_of = code_of

    def mend(self) -> None:
        """Let everything work."""
        with self._lock:
            self._code_of = _works
            self.is_read_only = False

    def ask(self, method: str, file: str) -> int:
        """The code with which a request fails; 0 where it is to be carried out."""
        with self._lock:
            request = Request(method, file)
            code = self._code_of(request)
            self.requests[request] += 1
            self.failed += code != sqlite3.SQLITE_OK
        return code


def _works(_request: Request) -> int:
    return sqlite3.SQLITE_OK


def _library() -> ctypes.CDLL:
    """The very library that ``sqlite3`` uses: its own module's symbols, and those of what it is linked to."""
    reason = "the functions of Python's SQLite library are not to be found"
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_libversion.restype = c_char_p
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        library.sqlite3_vfs_register.argtypes = library.sqlite3_vfs_unregister.argtypes = [POINTER(_Vfs)]
        library.sqlite3_vfs_register.argtypes = [POINTER(_Vfs), c_int]
        if library.sqlite3_libversion().decode() == sqlite3.sqlite_version:
            return library
        reason = "Python's SQLite library is not the one that is loaded"
    raise missing("sqlite", reason)


class FaultyVfs:
    """The VFS. SQLite keeps pointers into it, so it must outlive every connection that was opened through it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.faults = Faults()
        self._library = library
        self._default = library.sqlite3_vfs_find(None)
        assert self._default.contents.zName.decode() == ORIGINAL
        self._vfs = _Vfs.from_buffer_copy(self._default.contents)
        self._vfs.zName = b"lading-faults"
        self._vfs.pNext = None
        self._vfs.xOpen = _XOPEN(self._open)
        self._vfs.xDelete = _XDELETE(self._delete)
        self._vfs.xAccess = _XACCESS(self._access)
        self._vfs.xFullPathname = _XFULL(self._full_pathname)
        self._vfs.xSleep = _XSLEEP(_nap)
        self._files: dict[int, str] = {}
        self._exchanged: dict[int, _IoMethods] = {}
        self._originals: dict[int, _IoMethods] = {}

    def register(self) -> None:
        self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)

    def unregister(self) -> None:
        self._library.sqlite3_vfs_register(self._default, 1)
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))

    @property
    def open_files(self) -> int:
        return len(self._files)

    # --- called by SQLite ---------------------------------------------------------------------------------------------

    def _open(self, _vfs: Any, name: int | None, file: int, flags: int, out: int | None) -> int:
        kind = _kind(name)
        if code := self.faults.ask("xOpen", kind):
            # No methods: nothing is to be closed.
            _File.from_address(file).pMethods = POINTER(_IoMethods)()
            return code
        if self.faults.is_read_only:
            flags = flags & ~_OPEN_TO_WRITE | _OPEN_READONLY
        result: int = self._default.contents.xOpen(self._default, name, file, flags, out)
        opened = _File.from_address(file)
        if opened.pMethods:
            self._files[file] = kind
            opened.pMethods = ctypes.pointer(self._exchange(opened.pMethods))
        return result

    def _exchange(self, methods: Any) -> _IoMethods:
        """The methods with some of them exchanged; made once for each kind of file that the original knows."""
        address = ctypes.addressof(methods.contents)
        if address not in self._exchanged:
            original = methods.contents
            ours = _IoMethods.from_buffer_copy(original)
            for method, prototype in _METHODS.items():
                if getattr(original, method):
                    setattr(ours, method, prototype(self._exchanging(method, getattr(original, method))))
            self._originals[address] = original
            self._exchanged[address] = ours
        return self._exchanged[address]

    def _exchanging(self, method: str, original: Callable[..., int]) -> Callable[..., int]:
        if method == "xClose":
            return lambda file: (self._files.pop(file, None), original(file))[1]
        if method == "xShmLock":
            return lambda file, first, count, flags: (
                # What cannot fail is to unlock.
                (not flags & 1 and self.faults.ask(method, "shm")) or original(file, first, count, flags)
            )
        if method == "xShmMap":
            return lambda file, *rest: self.faults.ask(method, "shm") or original(file, *rest)
        return lambda file, *rest: self.faults.ask(method, self._files[file]) or original(file, *rest)

    def _delete(self, _vfs: Any, name: int, sync: int) -> int:
        return self.faults.ask("xDelete", _kind(name)) or self._default.contents.xDelete(self._default, name, sync)

    def _access(self, _vfs: Any, name: int, flags: int, out: int) -> int:
        return self.faults.ask("xAccess", _kind(name)) or self._default.contents.xAccess(
            self._default, name, flags, out
        )

    def _full_pathname(self, _vfs: Any, name: int, length: int, out: int) -> int:
        return self.faults.ask("xFullPathname", _kind(name)) or self._default.contents.xFullPathname(
            self._default, name, length, out
        )


def _nap(_vfs: Any, microseconds: int) -> int:
    """Waits for locks are counted by how long the naps should have been, so they may be shorter."""
    time.sleep(min(microseconds / 1e6, LONGEST_NAP))
    return microseconds


def _kind(name: int | None) -> str:
    path = ctypes.string_at(name).decode() if name else ""
    if path.endswith("-wal"):
        return "wal"
    return "other" if not path or path.endswith(("-journal", "-shm")) else "db"


_kept: list[FaultyVfs] = []


@contextmanager
def faulty_vfs() -> Iterator[Faults]:
    """Have SQLite open files through the VFS within the block; all must be closed at its end."""
    if not _kept:
        _kept.append(FaultyVfs(_library()))  # once: SQLite keeps pointers
    vfs = _kept[0]
    vfs.register()
    try:
        yield vfs.faults
        vfs.faults.mend()
        assert not vfs.open_files
    finally:
        vfs.faults.mend()
        vfs.unregister()
