"""The three plugin contracts: ``Fetcher``, ``TypeDetector`` and ``StorageBackend``, and the values they exchange.

Common to all three:

- A plugin is constructed once, inside the running event loop, with its validated options. The constructor does no I/O.
- Its coroutines never block the event loop: files, DNS and CPU-bound work go to threads or processes.
- Any method may be called concurrently from several tasks of one event loop, and any call may be cancelled at every
  ``await``; a cancelled call leaves nothing behind (no task, file, socket or child).
- Only ``lading.plugins.errors`` leave a plugin; library errors are translated with ``raise ... from``.
- ``close`` releases everything, may be called twice, and may be called while another call is under way; that call then
  ends with an error. Nothing else is called after it.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from .options import PluginOptions

CONTRACT_VERSION: Final = 1
"""The version of the three contracts. It rises when a plugin that kept the last one may have to be changed; a plugin
says which one it keeps with ``contract_version = 1``, as a number of its own, and is refused where it is another."""

# --- fetching ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """What a client asked to be imported.

    ``url`` is as the client sent it. ``headers`` are sent with the fetch; they may hold secrets, so they have no repr.
    ``if_none_match`` is the entity tag of a version that is known already, as ``Fetched.etag`` told it: a fetcher may
    find out that there is no other, and raise ``SourceNotModified`` then; or it may leave it unread.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """An opened source: its bytes as a stream, and what is known of it before the first byte.

    Attributes:
        chunks: the body, in order, in non-empty pieces of at most 1 MiB; to be iterated once. It raises a
            ``FetchError`` where the body breaks, is too long or too short.
        content_length: announced size in bytes, or None. Not to be trusted: ``chunks`` decides.
        content_type: announced media type, lower case and without parameters, or None. Not to be trusted either.
        filename: the origin's own name for the file, or None; data from a stranger, never a path.
        etag: the origin's entity tag as sent, or None.
        last_modified: the origin's ``Last-Modified`` as sent, or None.
    """

    chunks: AsyncIterator[bytes]
    content_length: int | None = None
    content_type: str | None = None
    filename: str | None = None
    etag: str | None = None
    last_modified: str | None = None


class Fetcher(ABC):
    """Opens sources of certain URL schemes as streams of bytes.

    Class attributes:
        contract_version: which version of this contract it keeps; see ``CONTRACT_VERSION``.
        kind: what an import's ``import_type`` becomes when this fetcher served it, such as ``url``.
        schemes: the URL schemes it serves, in lower case; a url may write them in capitals. Two configured fetchers may
            not share one.
        Options: its options model.
    """

    contract_version: ClassVar[int]
    kind: ClassVar[str]
    schemes: ClassVar[frozenset[str]]
    Options: ClassVar[type[PluginOptions]] = PluginOptions

    def __init__(self, options: PluginOptions) -> None:
        """Keep the options, an instance of ``Options``; do no I/O."""
        self.options = options

    @abstractmethod
    def check(self, source: Source) -> None:
        """Refuse what can be refused without I/O: bad syntax, a forbidden port, a private address literal.

        Called before an import is accepted, and quick (under a millisecond), since the client waits for it.

        Raises:
            SourceRefused: the source can never be fetched.
        """

    @abstractmethod
    def open(self, source: Source) -> AbstractAsyncContextManager[Fetched]:
        """Open the source; the body streams while the context is open, and everything is released when it exits.

        Must repeat every check of ``check``, and apply its own limits on size and time. Must hold no more than 8 MiB of
        the body in memory. May be called again for the same source. Neither the query of a url nor the value of a
        header may be in an error, its causes included, or in a log.

        Raises:
            FetchError: on entering, or from ``Fetched.chunks`` later. Its class is the one of ``lading.plugins.errors``
                that
                says what happened, or a subclass of it, and is ``retryable`` where the origin was unavailable or slow,
                or the body broke off. A body that is empty or over the plugin's limit is an error too.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; see the module docstring."""


# --- detection --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the bytes are.

    Attributes:
        format: name of the format as Pillow writes it, upper case: ``JPEG``, ``PNG``.
        content_type: the media type that belongs to the format, whatever the origin announced.
        width, height: pixels, at least 1, before any EXIF orientation.
        frames: number of frames, at least 1.
    """

    format: str
    content_type: str
    width: int
    height: int
    frames: int = 1


class TypeDetector(ABC):
    """Says what a file is, or refuses it with a coded reason.

    Class attributes:
        contract_version: which version of this contract it keeps; see ``CONTRACT_VERSION``.
        Options: its options model.
    """

    contract_version: ClassVar[int]
    Options: ClassVar[type[PluginOptions]] = PluginOptions

    def __init__(self, options: PluginOptions) -> None:
        """Keep the options, an instance of ``Options``; do no I/O."""
        self.options = options

    @abstractmethod
    async def detect(self, path: Path) -> ImageInfo:
        """Recognise the whole file at ``path``, whose bytes come from a stranger.

        The caller guarantees that the file is complete, readable by this user and unchanged until the call returns.
        The detector opens it read-only, bounds its own memory and CPU time, and checks sizes before it decodes.
        Only what the bytes cost in memory and CPU time may refuse them: the machine may be busy, or the process paused.
        Where wall time is over and CPU time is not, the detector raises ``DetectorStalled``: the call is made again.
        It must not trust a file name or an announced type; it is given neither. ``path`` may be a name under ``/proc``.

        Raises:
            NotAnImage: not a format this detector knows; the next configured detector is asked.
            FormatNotAllowed: a format that it knows and does not accept; another may, so the next one is asked as well.
            DetectorStalled: decoding came to no end in time; another attempt may.
            DetectError: the file is refused for good, unless ``retryable``; no other detector is asked.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; see the module docstring."""


# --- storage ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """What is known of an object before it is saved.

    Attributes:
        byte_size: exact size in bytes.
        sha256: lower-case hexadecimal SHA-256 of the bytes.
        content_type: media type of the detected format.
        filename: the name the client or the origin gave, or None; data, never a path.
        import_id: id of the import that the object belongs to.
    """

    byte_size: int
    sha256: str
    content_type: str
    filename: str | None = None
    import_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object opened for reading.

    Attributes:
        byte_size: size in bytes of the whole object, whatever range was asked for.
        chunks: the bytes asked for, in order, in non-empty pieces of at most 1 MiB; to be iterated once.
    """

    byte_size: int
    chunks: AsyncIterator[bytes]


class StorageBackend(ABC):
    """Keeps immutable objects under keys.

    A key is what ``lading.backends.guard.storage`` lets through: 1 to 255 characters of ``a-z 0-9 - _ . /``, made of
    non-empty segments that do not begin with a dot. An object is visible under its key whole or not at all. Of two keys
    such as ``a`` and ``a/b`` a backend may refuse the second with ``KeyInvalid`` while an object is under the first.

    Class attributes:
        contract_version: which version of this contract it keeps; see ``CONTRACT_VERSION``.
        Options: its options model.
    """

    contract_version: ClassVar[int]
    Options: ClassVar[type[PluginOptions]] = PluginOptions

    def __init__(self, options: PluginOptions) -> None:
        """Keep the options, an instance of ``Options``; do no I/O."""
        self.options = options

    @abstractmethod
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        """Create the object; when this returns, it is durable and readable under ``key``.

        Create-only and atomic: of several concurrent saves of one key exactly one succeeds, and an existing object is
        never changed. Must stream with at most 8 MiB of the body in memory. Must count the bytes. Whatever goes wrong
        (``chunks`` raises, the count differs, the call is cancelled), nothing is visible under the key and nothing is
        left behind; an error that ``chunks`` raises passes through unchanged. A cancellation that comes when the
        object is visible already comes too late: the call returns as if it had not been cancelled.

        Raises:
            ObjectExists: the key is taken. ``chunks`` may have been read in part.
            ContentMismatch: ``chunks`` gave more or fewer bytes than ``metadata.byte_size``.
            StorageError: any other failure.
        """

    @abstractmethod
    def open(
        self, key: str, *, offset: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[StoredObject]:
        """Open the object for reading, or the range of ``length`` bytes from ``offset`` (both >= 0) of it.

        A range that reaches past the end is cut there; an offset at or past the end gives no bytes.

        Raises:
            ObjectNotFound: no object under the key.
            StorageError: any other failure, on entering or from ``chunks`` later.
        """

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Remove the object. Idempotent: a key without an object is no error.

        Raises:
            StorageError: the object may still be there.
        """

    @abstractmethod
    async def exists(self, key: str) -> bool:
        """Whether an object is visible under the key.

        Raises:
            StorageError: it cannot be told.
        """

    @abstractmethod
    async def ping(self) -> None:
        """Make sure that objects can be saved: the place exists, is reachable and writable.

        Called once before anything else, when missing folders may be created and leftovers of a killed process are
        removed, and again for every readiness probe; so it is cheap when nothing is wrong.

        Raises:
            StorageError: it cannot save at present.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; see the module docstring."""
