"""The plugin contracts: ``Fetcher``, ``TypeDetector`` and ``StorageBackend``, and the values they exchange.

The fourth contract, ``Processor``, is in ``processing`` beside this module. It may use ``errors`` and ``options``.
Begin with ``Fetcher``.

Common to all of them:

- Lading constructs a plugin once, in the running event loop, with its validated options. The constructor does no I/O.
- The plugin's coroutines never block the event loop. Run file access, DNS and CPU-bound work in threads or processes.
- Lading may call any method concurrently from several tasks of one event loop, and may cancel any call at every
  ``await``. A cancelled call leaves nothing behind: no task, file, socket or child process.
- A plugin raises errors of ``lading.plugins.errors`` only. Translate library errors with ``raise ... from``.
- ``close`` releases everything. Lading may call it twice, and while another call is running; that call then ends with
  an error. Lading calls no other method after ``close``.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from ..options import PluginOptions
from .quick import quick

CONTRACT_VERSION: Final = 1
"""The version of the contracts. It rises when plugins for the previous version may need changes. A plugin
declares the version that it implements as a literal number, ``contract_version = 1``. Lading refuses any other
version."""


@quick
@dataclass(frozen=True, slots=True)
class Source:
    """The source that a client asks Lading to import.

    Attributes:
        url: as the client sent it, without the white space around it.
        headers: request headers for the fetch. They may hold secrets, so the repr omits them.
        if_none_match: the entity tag of a version that Lading already has, from ``Fetched.etag``, or None. A fetcher
            may raise ``SourceNotModified`` if the source still has this tag, or ignore the attribute.
        organization_id: the organisation that the import belongs to; None if Lading asks for itself, as in a check of
            a webhook.
        issuer_id: the issuer whose token created the import, or None likewise.
        album_id: the album that the client names, or None. Untrusted data.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    if_none_match: str | None = None
    organization_id: str | None = None
    issuer_id: str | None = None
    album_id: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Fetched:
    """An opened source: its bytes as a stream, and the facts that the origin announces before the first byte.

    Attributes:
        chunks: the body, in order, in non-empty pieces of at most 1 MiB. Lading iterates it once. It raises a
            ``FetchError`` if the body breaks off, or is too long or too short.
        content_length: announced size of ``chunks`` in bytes, or None, as where the fetcher undoes a content encoding.
            Lading does not trust it and counts ``chunks``.
        content_type: announced media type in lower case, without parameters, or None. Lading does not trust it.
        filename: the origin's name for the file, or None. Untrusted data, never a path.
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
        contract_version: version of this contract that the fetcher implements; see ``CONTRACT_VERSION``.
        kind: the ``import_type`` of imports that this fetcher serves, such as ``url``.
        schemes: URL schemes that the fetcher serves, in lower case. A url may write a scheme in capitals. No two
            configured fetchers may share a scheme.
        Options: the options model.
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
        """Refuse, without I/O, an unacceptable source: bad syntax, a forbidden port, a private address literal.

        Lading calls it before it accepts an import. The client waits for the answer, so return within 10 ms of CPU
        time.

        Raises:
            SourceRefused: no fetch of the source can ever succeed.
        """

    @abstractmethod
    def open(self, source: Source) -> AbstractAsyncContextManager[Fetched]:
        """Open the source. The body streams while the context is open; leaving the context releases everything.

        The fetcher must repeat every check of ``check``, apply its own limits on size and time, and hold at most 8 MiB
        of the body in memory. Lading may open the same source again. No error (its causes included) and no log may
        contain the user name, the password or the query of a url, or the value of a header; nor may what the fetcher
        adds to a trace.

        A fetcher that opens sockets must connect to public unicast addresses alone, and to the networks that the
        operator names. That holds for the address in a url, for every address that a name resolves to, and for
        addresses that the origin gives, such as a redirect or FTP's data connection. The class
        ``lading.plugins.net.NetworkGuard`` does all of this.

        Raises:
            FetchError: on entering, or later from ``Fetched.chunks``. Raise the class of ``lading.plugins.errors`` that
                describes the failure, or a subclass of it. It is ``retryable`` if the origin was unavailable or slow,
                or the body broke off. An empty body is an error, and so is a body above the plugin's limit.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; see the module docstring."""


# --- detection --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The format and the size of an image.

    Attributes:
        format: Pillow's name of the format, in upper case: ``JPEG``, ``PNG``.
        content_type: the media type of the format, whatever the origin announced.
        width, height: pixels as the file stores them, at least 1. The orientation does not change them.
        frames: number of frames, at least 1.
        orientation: how to turn the stored pixels, 1 to 8, with the meanings of EXIF. 1 is upright, and where the file
            says nothing.
        notes: codes of what is odd about the file and does not harm it, such as ``tail_missing``.
    """

    format: str
    content_type: str
    width: int
    height: int
    frames: int = 1
    orientation: int = 1
    notes: tuple[str, ...] = ()


class TypeDetector(ABC):
    """Recognises the type of a file, or refuses the file with a coded reason.

    Class attributes:
        contract_version: version of this contract that the detector implements; see ``CONTRACT_VERSION``.
        Options: the options model.
    """

    contract_version: ClassVar[int]
    Options: ClassVar[type[PluginOptions]] = PluginOptions

    def __init__(self, options: PluginOptions) -> None:
        """Keep the options, an instance of ``Options``; do no I/O."""
        self.options = options

    @abstractmethod
    async def detect(self, path: Path) -> ImageInfo:
        """Recognise the whole file at ``path``. Its bytes are untrusted.

        Lading guarantees that the file is complete, readable by this user and unchanged until the call returns. The
        detector opens the file read-only, bounds its own memory and CPU time, and checks sizes before it decodes. Only
        the memory and the CPU time that the bytes cost may decide a refusal, since the machine may be busy and the
        process may be paused. If wall time runs out before CPU time, raise ``DetectorStalled``: Lading repeats the
        call. The detector gets no file name and no announced type. ``path`` may be a name under ``/proc``.

        Raises:
            NotAnImage: the detector does not know the format. Lading asks the next configured detector.
            FormatNotAllowed: the detector knows the format and does not accept it. Lading asks the next detector, which
                may accept it.
            DetectorStalled: decoding did not end in time; another attempt may succeed.
            DetectError: the file is refused, for good unless ``retryable``. Lading asks no other detector.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; see the module docstring."""


# --- storage ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """The facts about an object before Lading saves it.

    Attributes:
        byte_size: exact size in bytes.
        sha256: lower-case hexadecimal SHA-256 of the bytes.
        content_type: media type of the detected format.
        filename: the client's or the origin's name for the file, or None. Untrusted data, never a path.
        import_id: id of the import that the object belongs to.
        organization_id: the organisation that the import belongs to, or None.
        issuer_id: the issuer whose token created the import, or None.
        album_id: the album that the client names, or None. Untrusted data, never a path.
    """

    byte_size: int
    sha256: str
    content_type: str
    filename: str | None = None
    import_id: str | None = None
    organization_id: str | None = None
    issuer_id: str | None = None
    album_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object opened for reading.

    Attributes:
        byte_size: size of the whole object in bytes, whatever the requested range.
        chunks: the requested bytes, in order, in non-empty pieces of at most 1 MiB. Lading iterates it once.
    """

    byte_size: int
    chunks: AsyncIterator[bytes]


class StorageBackend(ABC):
    """Stores immutable objects under keys.

    A key has 1 to 255 characters of ``a-z 0-9 - _ . /``, in non-empty segments that do not begin with a dot; Lading
    checks every key before it calls the backend. An object is visible under its key completely or not at all. While an
    object is under the key ``a``, a backend may refuse a key such as ``a/b`` with ``KeyInvalid``.

    Class attributes:
        contract_version: version of this contract that the backend implements; see ``CONTRACT_VERSION``.
        Options: the options model.
    """

    contract_version: ClassVar[int]
    Options: ClassVar[type[PluginOptions]] = PluginOptions

    def __init__(self, options: PluginOptions) -> None:
        """Keep the options, an instance of ``Options``; do no I/O."""
        self.options = options

    @abstractmethod
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        """Create the object. When this call returns, the object is durable and readable under ``key``.

        A save is create-only and atomic: of several concurrent saves of one key exactly one succeeds, and a save never
        changes an existing object. The backend must stream with at most 8 MiB of the body in memory, and count the
        bytes. After a failure (``chunks`` raises, the count differs, Lading cancels the call) no object is visible
        under the key and nothing is left behind. An error from ``chunks`` passes through unchanged. A cancellation
        after the object has become visible is too late: the call returns as if Lading had not cancelled it.

        Raises:
            ObjectExists: the key already has an object. The backend may have read a part of ``chunks``.
            ContentMismatch: ``chunks`` has more or fewer bytes than ``metadata.byte_size``.
            StorageError: any other failure.
        """

    @abstractmethod
    def open(
        self, key: str, *, offset: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[StoredObject]:
        """Open the object for reading, or a range of it: ``length`` bytes from ``offset`` (both >= 0).

        A range beyond the end stops at the end. An offset at or beyond the end yields no bytes.

        Raises:
            ObjectNotFound: the key has no object.
            StorageError: any other failure, on entering or from ``chunks`` later.
        """

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Delete the object. Idempotent: a key without an object is no error.

        Raises:
            StorageError: the object may still exist.
        """

    @abstractmethod
    async def exists(self, key: str) -> bool:
        """Whether an object is visible under the key.

        Raises:
            StorageError: the backend cannot tell.
        """

    @abstractmethod
    async def ping(self) -> None:
        """Check that the backend can save objects: the place exists, and is reachable and writable.

        Lading calls it once before any other method; this first call may create missing folders and removes the
        leftovers of killed processes. Lading calls it again for every readiness probe, so it must be cheap while
        everything works.

        Raises:
            StorageError: the backend currently cannot save objects.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; see the module docstring."""
