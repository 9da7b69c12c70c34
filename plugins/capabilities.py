"""Optional capabilities of plugins, each a small interface of its own.

A plugin with a capability inherits its interface in addition to the contract of its kind.
Lading looks the interface up once, on the class, and ``lading plugins`` prints it. Routes and fields that need a
capability do not exist if the configured plugin lacks it.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from .contracts import ObjectMetadata, Source
from .options import PluginOptions

# --- fetchers, detectors and processors -------------------------------------------------------------------------------


class SupportsPing(ABC):
    """A fetcher, detector or processor that needs something outside of its process, and can say whether that works.

    Storages have ``ping`` in their contract.
    """

    @abstractmethod
    async def ping(self) -> None:
        """Check that the plugin can work: a service answers, a program is installed, credentials are accepted.

        ``lading check`` calls it, and every readiness probe, at most once a second. It must be cheap while everything
        works, may be called concurrently, and changes nothing. Lading ends it after 10 seconds, a probe after 5. While
        a detector or a processor cannot work, ``/readyz`` answers 503. A fetcher keeps nobody from being ready.

        Raises:
            PluginError: the plugin currently cannot work: a ``FetchError`` of a fetcher, a ``DetectError`` of a
                detector, a ``ProcessError`` of a processor. The operator reads its text.
        """


# --- storage backends -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object in a listing.

    Attributes:
        key: the object's key.
        byte_size: the object's size in bytes.
        last_modified: the time of the save by the storage's clock, timezone-aware.
    """

    key: str
    byte_size: int
    last_modified: datetime


class SupportsListing(ABC):
    """A storage backend that can list its objects."""

    @abstractmethod
    def list_objects(self, prefix: str = "") -> AsyncIterator[ListedObject]:
        """List the objects whose key begins with ``prefix``, a plain string, in any order.

        The listing yields an object that exists from beginning to end exactly once, and an object that is saved or
        deleted meanwhile at most once. It omits unfinished saves, temporary files and anything else that is no object.
        The backend must hold at most a few thousand objects in memory. Lading iterates the listing once, and may stop
        before its end.

        Raises:
            StorageError: while iterated.
        """


class SupportsSignedUrls(ABC):
    """A storage backend that can sign URLs, which read an object without credentials for a limited time."""

    @abstractmethod
    async def signed_url(
        self, key: str, *, expires: timedelta, content_type: str | None = None, content_disposition: str | None = None
    ) -> str:
        """Return a URL whose GET answers with the object until the URL expires. Send no request for the object.

        Args:
            key: key of the object. The backend need not check that the object exists.
            expires: lifetime from now, 1 second to 7 days.
            content_type: ``Content-Type`` of the answer, or None for the object's own.
            content_disposition: ``Content-Disposition`` of the answer, or None for the object's own.

        Raises:
            StorageError: the backend cannot sign a URL.
        """


class SupportsFiles(ABC):
    """A storage backend that saves a file without copying its bytes through this process."""

    @abstractmethod
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        """As ``StorageBackend.save``, with the content of the file at ``path`` as the body.

        Lading guarantees that the file is complete, readable by this user and unchanged until the call returns. The
        backend must not change the file, since Lading may offer it to another backend afterwards. It may make the file
        itself the object if the file has no name yet (its link count is 0). ``path`` may be a name under ``/proc`` that
        means another file once the call has ended or was cancelled.

        Raises:
            ObjectExists: the key already has an object.
            ContentMismatch: the file has more or fewer bytes than ``metadata.byte_size``.
            StorageError: any other failure.
        """

    @abstractmethod
    def make_file(self) -> int | None:
        """Make an empty file without a name, for a body that ``save_file`` then need not copy.

        Blocks. Lading calls it in any thread, also while the storage is unavailable or closed.

        Returns:
            the file's descriptor, open for reading and writing, which Lading closes; None if the backend can make no
            such file.
        """


@dataclass(frozen=True, slots=True)
class UnfinishedSave:
    """What a save has sent to a storage that its object does not have yet, and perhaps never will.

    Attributes:
        key: the key of the save.
        begun_at: its beginning by the storage's clock, timezone-aware.
        token: tells the backend which save of the key it is.
    """

    key: str
    begun_at: datetime
    token: str


class SupportsUnfinishedSaves(ABC):
    """A storage backend whose saves may leave parts behind, that it can list and remove.

    They stay when a process is killed, or when the storage's answer to the beginning of a save is lost.
    """

    @abstractmethod
    def list_unfinished(self) -> AsyncIterator[UnfinishedSave]:
        """List the saves that have begun and have not ended, in any order. Saves of running services are among them.

        Lading iterates the listing once, and may stop before its end.

        Raises:
            StorageError: while iterated.
        """

    @abstractmethod
    async def end_unfinished(self, save: UnfinishedSave) -> None:
        """Remove what a listed save has sent. Do nothing if it has ended. A save that still runs then fails.

        Raises:
            StorageError: the parts may still be there.
        """


# --- fetchers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict of a fetcher about a source, for the operator.

    Attributes:
        hop: number of the request, from 1; each redirect adds one.
        url: the request's url, without user name, password and query.
        subject: the subject of the verdict: ``port 80``, ``address 192.0.2.1``.
        allowed: the verdict.
        rule: the rule that decided: ``allow_networks 10.0.0.0/8``, ``loopback (RFC 1122)``.
    """

    hop: int
    url: str
    subject: str
    allowed: bool
    rule: str


class SupportsExplaining(ABC):
    """A fetcher that can explain to the operator why it fetches or refuses a source."""

    @abstractmethod
    def explain(self, source: Source, *, follow: bool) -> AsyncIterator[Finding]:
        """Check the source by the same code as ``open``, and yield each verdict as soon as the fetcher reaches it.

        The fetcher may look up names. It sends nothing else, unless ``follow`` is set: then it sends the requests that
        lead to the body, redirects included, and reads no body. Lading iterates the findings once, to their end. A
        finding must contain no secret: no query of a url, no value of a header.

        Raises:
            FetchError: the error that ``open`` raises, at once or after the findings that led to it.
        """

    def means(self, source: Source) -> Sequence[tuple[str, str]]:  # noqa: ARG002 - a fetcher may have no means
        """What a fetch would use, each with its name, such as ``proxy``. Without I/O and without secrets."""
        return ()


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """The answer to a POST request, without its body: a webhook must not become a way to read a url.

    Attributes:
        status: the status code, 200 to 599.
        retry_after: seconds that the receiver asks to wait (RFC 9110 section 10.2.3), or None.
    """

    status: int
    retry_after: float | None = None


class SupportsPosting(ABC):
    """A fetcher that can also send a small body to a url of its schemes, for webhooks."""

    @abstractmethod
    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        """Send one POST request to a url that passes every check of ``open``.

        The fetcher returns a redirect as an answer and does not follow it. Lading may call it concurrently, and again
        for the same url. If the connection is lost before the answer, the fetcher may send the request once more, so
        receivers must recognise a repeated request.

        Args:
            url: url of the receiver. No error and no log may contain its query or the value of a header.
            headers: headers to send unchanged. The rules for the headers of a ``Source`` apply.
            body: at most 1 MiB.
            timeout: seconds for the whole request; the plugin's own limits apply as well.

        Raises:
            FetchError: no answer came, or the fetcher sent nothing; ``SourceRefused`` if it can never send to this url.
        """


class SupportsLongUrls(ABC):
    """A fetcher whose urls contain the image itself, and are therefore longer than others."""

    @classmethod
    @abstractmethod
    def longest_url(cls, options: PluginOptions) -> int:
        """Return the bytes of a request that Lading reserves for a url of this fetcher with these options. Do no I/O.

        Lading accepts a request to import that is longer than ``body_max_bytes`` by this number of bytes, up to 16 MiB.
        """


# --- detectors --------------------------------------------------------------------------------------------------------


class SupportsFormats(ABC):
    """A detector that can list its formats, so that Lading refuses expectations that no image can meet."""

    @classmethod
    @abstractmethod
    def formats(cls, options: PluginOptions) -> Mapping[str, Sequence[str]]:
        """Return every ``ImageInfo.format`` that ``detect`` may return with these options, each with every
        ``content_type`` that ``detect`` may return for it. Do no I/O.
        """


class SupportsEarlyRefusal(ABC):
    """A detector that can refuse a file by its first bytes, so that Lading need not fetch an endless stream to its end.

    Lading ends a fetch early with ``not_an_image`` only if every configured detector has this capability, and each of
    them refuses the head.
    """

    @abstractmethod
    def could_be(self, head: bytes) -> bool:
        """Return False only if ``detect`` raises ``NotAnImage`` for every file that begins with ``head``.

        Lading calls it while a body arrives: with 64 bytes or more, again when the head has doubled, and with 4096
        bytes (``LONGEST_HEAD``) at last. Return within a tenth of a millisecond, do no I/O, and raise nothing.
        """


class SupportsThumbnails(ABC):
    """A detector that can make small copies of the images that it recognises."""

    @property
    @abstractmethod
    def recipe(self) -> str:
        """Text that changes whenever ``thumbnail`` would make another thumbnail of the same image than before.

        Lading keeps thumbnails under it. Do no I/O.
        """

    @abstractmethod
    async def thumbnail(self, path: Path, *, side: int, content_type: str) -> bytes:
        """Make a small copy of the first frame of the image at ``path``, upright, in sRGB and without metadata.

        Lading guarantees what it guarantees for ``TypeDetector.detect``, and calls it for one file several times, also
        concurrently.

        Args:
            path: path of the file.
            side: pixels of the longest side at most, 1 to 4096. A smaller image keeps its size.
            content_type: media type of the copy: ``image/webp``, which keeps transparency, or ``image/jpeg``, which
                gets a white background.

        Returns:
            the file of the copy, at most 8 MiB.

        Raises:
            DetectError: as ``TypeDetector.detect``.
        """


LARGEST_THUMBNAIL: Final = 8 << 20
"""The largest number of bytes that ``SupportsThumbnails.thumbnail`` may return."""
LONGEST_HEAD: Final = 4096
"""The largest number of bytes for ``SupportsEarlyRefusal.could_be``."""
