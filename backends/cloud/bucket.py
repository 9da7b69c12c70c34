"""What a cloud is to ``lading.backends.cloud.storage``: a bucket, and an upload into it. Each method is one exchange,
and blocks.

A bucket's methods run in threads, several at a time. They raise ``lading.plugins.errors`` alone, try nothing twice, and
leave to their caller what is tried again: ``StorageUnavailable`` and ``ContentMismatch``.
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
    """Part of an object.

    Attributes:
        byte_size: of the whole object.
        version: what tells it from any other object under its key.
        body: the bytes.
    """

    byte_size: int
    version: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a bucket's objects, and where the others follow; None where none do."""

    objects: tuple[ListedObject, ...]
    token: str | None


def let_go(error: BaseException) -> None:
    """Let an error from a library hold nothing but its text and lines: no connection, no bytes that were sent.

    Whoever keeps an error keeps its traceback, and with it all that the functions in it worked with.
    """
    seen: BaseException | None = error
    while seen is not None:
        for frame, _ in walk_tb(seen.__traceback__):
            # Callers too, in which the error was a value before it was raised again. All end at one that still runs.
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
        marker: written into the object's metadata: by it an upload recognises the object as its own.
        turn: to be held during each method. A method may still run when the next is called: where its caller was
            cancelled and could not wait for it.
    """

    def __init__(self, key: str, metadata: ObjectMetadata) -> None:
        self.key = key
        self.metadata = metadata
        self.marker = uuid.uuid4().hex
        self.turn = threading.Lock()

    @abstractmethod
    def put(self, body: Body) -> None:
        """Create the object of these bytes. Raises ObjectExists where there is one."""

    @abstractmethod
    def begin(self) -> None:
        """Begin an object of several pieces."""

    @abstractmethod
    def send(self, body: Body) -> None:
        """Send the next piece, of exactly ``Bucket.piece_size`` bytes."""

    @abstractmethod
    def finish(self, body: Body) -> None:
        """Send the last piece and create the object. Raises ObjectExists where there is one."""

    @abstractmethod
    def abort(self) -> None:
        """Remove what was sent, unless it has become the object. Does nothing where nothing was begun."""


class Bucket(ABC):
    """A bucket of a cloud. Nothing is opened before the first call.

    Attributes:
        piece_size: bytes of a piece; what is not longer is created by ``put``.
    """

    piece_size: ClassVar[int]

    @abstractmethod
    def upload(self, key: str, metadata: ObjectMetadata) -> Upload:
        """A new upload; does not block."""

    @abstractmethod
    def marker(self, key: str) -> str | None:
        """The marker of the upload that the object came by; None for an object without. Raises ObjectNotFound."""

    @abstractmethod
    def read(self, key: str, offset: int, length: int, version: str | None) -> Piece:
        """Up to ``length`` bytes, perhaps none. Raises ObjectNotFound, or ContentMismatch for another version."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the object, if there is one."""

    @abstractmethod
    def page(self, prefix: str, token: str | None) -> Page:
        """Up to 1000 objects whose key begins with ``prefix``, from where ``token`` says."""

    @abstractmethod
    def sign(self, key: str, seconds: int, content_type: str | None, content_disposition: str | None) -> str:
        """A URL for GET that expires."""

    @abstractmethod
    def check(self) -> None:
        """Make sure that objects can be created."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections. Nothing is called at the same time or later."""
