"""Images that are there already: with ``dedupe`` an import ends with one of these in place of a copy of its own.

Imports that run at the same time may both store the same bytes: each looks before it saves.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from plugins.errors import StorageUnavailable
from service.documents import DocumentStore, StoreUnavailable
from service.errors import ApiError
from service.models import Image, Import
from service.redaction import filtered_url

SCOPES: Final = ("off", "album", "organization")
"""Where an image may be that is answered in place of another copy of it."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An image that is there already, and its id."""

    image: Image
    image_id: str


def validate_dedupe(params: Mapping[str, Any]) -> None:
    """Refuse a scope that there is not.

    Raises:
        ApiError: ``parameter_invalid``.
    """
    scope = params.get("dedupe")
    if scope is None:
        return
    if scope not in SCOPES:
        raise ApiError("parameter_invalid", parameter="dedupe", reason=f"must be one of {', '.join(SCOPES)}")
    if scope == "album" and not params.get("album_id"):
        raise ApiError("parameter_invalid", parameter="dedupe", reason="needs an album_id to look in an album")


def source_of(url: str, headers: Mapping[str, str]) -> str | None:
    """By what imports of the same source are found: a digest of the url; None where something in it is secret."""
    if headers or filtered_url(url) != url or url[:5].lower() == "data:":
        return None
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Finds images for imports that want no second copy.

    Every method raises ``StorageUnavailable`` where the database does not answer: the import is tried again later.
    """

    store: DocumentStore

    async def by_bytes(self, document: Import, sha256: str) -> Duplicate | None:
        """An image with these bytes, where the import wants to know."""
        if not self.is_wanted(document):
            return None
        with _outage():
            return _duplicate(
                await self.store.search.by_sha256(document.organization_id, sha256, _album(document)), document
            )

    async def by_source(self, document: Import, source: str | None) -> Duplicate | None:
        """The latest image from that source whose origin gave it an entity tag, where the import wants to know."""
        if source is None or not self.is_wanted(document):
            return None
        with _outage():
            found = _duplicate(
                await self.store.search.by_source(document.organization_id, source, _album(document)), document
            )
        return found if found is not None and found.image.etag is not None else None

    @staticmethod
    def is_wanted(document: Import) -> bool:
        """Whether an import is content with an image that is there."""
        return document.params.get("dedupe") in ("album", "organization")


def _album(document: Import) -> str | None:
    return document.album_id if document.params.get("dedupe") == "album" else None


def _duplicate(found: Import | None, document: Import) -> Duplicate | None:
    if found is None or found.image is None or found.image_id is None or found.id == document.id:
        return None
    return Duplicate(found.image, found.image_id)


@contextmanager
def _outage() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise StorageUnavailable(str(error)) from error
