"""What a plugin may be able to do beyond its contract: each a small interface of its own.

A plugin that can do it inherits the interface beside ``StorageBackend``, ``Fetcher`` or ``TypeDetector``. It is looked
up once, on the class, and shown by ``lading plugins``; what needs a capability that the configured plugin lacks does
not exist.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from .contracts import ObjectMetadata, Source
from .options import PluginOptions

# --- storage backends -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as a listing tells of it.

    Attributes:
        key: its key.
        byte_size: its size in bytes.
        last_modified: when it was saved, by the clock of the storage; aware.
    """

    key: str
    byte_size: int
    last_modified: datetime


class SupportsListing(ABC):
    """A storage backend that can tell which objects it holds."""

    @abstractmethod
    def list_objects(self, prefix: str = "") -> AsyncIterator[ListedObject]:
        """The objects whose key begins with ``prefix``, a plain string, in any order.

        What is there from beginning to end is listed exactly once; what is saved or deleted meanwhile, at most once.
        Unfinished saves, temporary files and other things that are no objects are not listed. Must hold no more than
        a few thousand objects in memory. To be iterated once; it may be left before its end.

        Raises:
            StorageError: while iterated.
        """


class SupportsSignedUrls(ABC):
    """A storage backend whose objects can be read by URL, for a while, without credentials."""

    @abstractmethod
    async def signed_url(
        self, key: str, *, expires: timedelta, content_type: str | None = None, content_disposition: str | None = None
    ) -> str:
        """A URL under which GET answers with the object until it expires. Makes no request to the object itself.

        Args:
            key: of the object; whether there is one need not be checked.
            expires: from now, 1 second to 7 days.
            content_type: ``Content-Type`` of the answer, or None for that of the object.
            content_disposition: ``Content-Disposition`` of the answer, or None for that of the object.

        Raises:
            StorageError: no URL can be signed.
        """


class SupportsFiles(ABC):
    """A storage backend that saves what a file holds without its bytes passing through this process."""

    @abstractmethod
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        """As ``StorageBackend.save``, with all that the file at ``path`` holds as the body.

        The caller guarantees that the file is complete, readable by this user and unchanged until the call returns. The
        backend changes nothing of it, but may make it the object itself where it has no name yet (its link count says
        so): it may be offered to another backend after this one. ``path`` may be a name under ``/proc`` that means
        another file as soon as the call has ended, or was left.

        Raises:
            ObjectExists: the key is taken.
            ContentMismatch: the file has more or fewer bytes than ``metadata.byte_size``.
            StorageError: any other failure.
        """

    @abstractmethod
    def make_file(self) -> int | None:
        """Make an empty file without a name, for a body that ``save_file`` then need not copy. Blocks; called in any
        thread, also while the storage is not available, or closed.

        Returns:
            its descriptor, open for reading and writing and the caller's to close; None where there is no such file.
        """


STORAGE_CAPABILITIES: Mapping[str, type] = MappingProxyType(
    {"files": SupportsFiles, "listing": SupportsListing, "signed urls": SupportsSignedUrls}
)
"""Every capability of storage backends, by the name that ``lading plugins`` prints."""

# --- fetchers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a fetcher judged of a source, for the operator.

    Attributes:
        hop: number of the request that it belongs to, from 1; each redirect is one more.
        url: what that request asks for, without user name, password and query.
        subject: what was judged: ``port 80``, ``address 192.0.2.1``.
        allowed: the verdict.
        rule: what decided: ``allow_networks 10.0.0.0/8``, ``loopback (RFC 1122)``.
    """

    hop: int
    url: str
    subject: str
    allowed: bool
    rule: str


class SupportsExplaining(ABC):
    """A fetcher that can tell the operator why it would fetch a source, or would not."""

    @abstractmethod
    def explain(self, source: Source, *, follow: bool) -> AsyncIterator[Finding]:
        """Judge the source as ``open`` would, by the same code, and tell of each verdict as it is reached.

        Names may be looked up. Nothing else is sent anywhere unless ``follow`` is set: then the requests are made that
        lead to the body, redirects included, and no body is read. To be iterated once, to its end. Nothing secret may
        be in a finding: no query of a url, no value of a header.

        Raises:
            FetchError: the one that ``open`` would raise, at once or after the findings that led to it.
        """


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """What was answered to a POST. Its body is not handed on: nobody is to read with it what stands at a url.

    Attributes:
        status: the status code, 200 to 599.
        retry_after: seconds for which the other side asks to wait (RFC 9110 section 10.2.3), or None.
    """

    status: int
    retry_after: float | None = None


class SupportsPosting(ABC):
    """A fetcher that can also send a small body to a url of its schemes, as for webhooks."""

    @abstractmethod
    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        """Send one POST request where ``open`` might fetch from: every check of ``open`` is made here as well.

        Redirects are not followed: they are answers like others. May be called concurrently, and again for the same
        url. A request whose connection is lost before the answer may be sent once more, so its receiver must be able to
        tell that it has it already.

        Args:
            url: where to. Neither its query nor a header's value may be in an error or a log.
            headers: sent as they are, within the rules for those of a ``Source``.
            body: at most 1 MiB.
            timeout: seconds for all of it; the plugin's own limits apply as well.

        Raises:
            FetchError: no answer came, or nothing was sent: ``SourceRefused`` where nothing ever can be.
        """


FETCHER_CAPABILITIES: Mapping[str, type] = MappingProxyType(
    {"explaining": SupportsExplaining, "posting": SupportsPosting}
)
"""Every capability of fetchers, by the name that ``lading plugins`` prints."""


# --- detectors --------------------------------------------------------------------------------------------------------


class SupportsFormats(ABC):
    """A detector that can tell beforehand what it may recognise: what can never come is then not waited for."""

    @classmethod
    @abstractmethod
    def formats(cls, options: PluginOptions) -> Mapping[str, Sequence[str]]:
        """Every ``ImageInfo.format`` that ``detect`` may give with these options, each with the ``content_type`` that
        it may give for it. Does no I/O.
        """


DETECTOR_CAPABILITIES: Mapping[str, type] = MappingProxyType({"formats": SupportsFormats})
"""Every capability of detectors, by the name that ``lading plugins`` prints."""
