"""A bucket, as ``lading.backends.cloud.storage`` sees a cloud, and an upload into it. Each method is one exchange, and
blocks.

A bucket's methods run in threads, several at a time. They raise errors of ``lading.plugins.errors`` only, and try
nothing twice: the caller repeats requests after ``StorageUnavailable`` and ``ContentMismatch``.
"""

import threading
import uuid
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from traceback import walk_tb
from types import FrameType
from typing import ClassVar, Final

from ...plugins.capabilities import ListedObject
from ...plugins.contracts import ObjectMetadata
from .bodies import Body

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an object.

    Attributes:
        byte_size: of the whole object.
        version: differs for every other object under its key.
        body: the bytes.
    """

    byte_size: int
    version: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a bucket's objects, and the token of the next page; None on the last page."""

    objects: tuple[ListedObject, ...]
    token: str | None


def let_go(error: BaseException) -> None:
    """Reduce a library's error to its text and lines: no connection, no sent bytes.

    Whoever keeps an error keeps its traceback, and with it all variables of the functions in it.
    """
    seen: BaseException | None = error
    while seen is not None:
        for frame, _ in walk_tb(seen.__traceback__):
            # Callers too, which held the error as a value before it was raised again. The walk ends at a running frame.
            caller: FrameType | None = frame
            with suppress(RuntimeError):
                while caller is not None:
                    caller.clear()
                    caller = caller.f_back
        seen = seen.__cause__ or seen.__context__


class Upload(ABC):
    """One object on its way into the bucket: either by ``put``, or by ``begin``, ``send`` and ``finish``.

    Every method may be called again after it failed, with the same bytes.

    Attributes:
        key, metadata: of the object.
        marker: written into the object's metadata, so that an upload recognises its own object.
        turn: held during each method. A method may still run when the next is called, if its caller was cancelled and
            could not wait for it.
    """

    def __init__(self, key: str, metadata: ObjectMetadata) -> None:
        self.key = key
        self.metadata = metadata
        self.marker = uuid.uuid4().hex
        self.turn = threading.Lock()

    @abstractmethod
    def put(self, body: Body) -> None:
        """Create the object of these bytes. Raises ObjectExists if the key has an object."""

    @abstractmethod
    def begin(self) -> None:
        """Begin an object of several pieces."""

    @abstractmethod
    def send(self, body: Body) -> None:
        """Send the next piece, of exactly ``Bucket.piece_size`` bytes."""

    @abstractmethod
    def finish(self, body: Body) -> None:
        """Send the last piece and create the object. Raises ObjectExists if the key has an object."""

    @abstractmethod
    def verify(self) -> None:
        """Check the created object, as ``put`` and ``finish`` have done unless their answers were lost.

        Raises ContentMismatch if the object has other bytes; the object is then removed, or at least disowned: it lacks
        the ``marker``.
        """

    @abstractmethod
    def abort(self) -> None:
        """Remove the sent pieces, unless they have become the object. Does nothing before ``begin``."""


class Bucket(ABC):
    """A bucket of a cloud. It opens nothing before the first call.

    Attributes:
        piece_size: bytes of a piece; ``put`` creates objects up to this size.
    """

    piece_size: ClassVar[int]

    @abstractmethod
    def upload(self, key: str, metadata: ObjectMetadata) -> Upload:
        """A new upload; does not block."""

    @abstractmethod
    def marker(self, key: str) -> str | None:
        """The marker of the upload that created the object; None without a marker. Raises ObjectNotFound."""

    @abstractmethod
    def read(self, key: str, offset: int, length: int, version: str | None) -> Piece:
        """Up to ``length`` bytes, possibly none. Raises ObjectNotFound, or ContentMismatch for another version."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the object, if there is one."""

    @abstractmethod
    def page(self, prefix: str, token: str | None) -> Page:
        """Up to 1000 objects whose key begins with ``prefix``, after the page of ``token``."""

    @abstractmethod
    def sign(self, key: str, seconds: int, content_type: str | None, content_disposition: str | None) -> str:
        """A URL for GET that expires."""

    @abstractmethod
    def check(self) -> None:
        """Check that objects can be created."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections. Nothing else is called during this call or after it."""
