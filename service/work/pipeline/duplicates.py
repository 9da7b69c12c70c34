"""What ``dedupe`` may be, and by what images that are there already are found. Knows no database."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ...errors.catalogue import ApiError
from ...models import Image, Import
from ...models.redaction import filtered_url

SCOPES: Final = ("off", "album", "organization")
"""Where an image may be that is answered in place of another copy of it."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An image that is there already.

    Attributes:
        image: the image.
        image_id: its id.
        owner_id: id of the import whose image it is.
    """

    image: Image
    image_id: str
    owner_id: str


class TakenOver(Exception):
    """The import does not run under the lease of its attempt any more: it was cancelled, or another attempt has it."""


def validate_scope(scope: Any) -> None:
    """Refuse a scope that there is not.

    Raises:
        ApiError: ``parameter_invalid``.
    """
    if scope is not None and scope not in SCOPES:
        raise ApiError("parameter_invalid", parameter="dedupe", reason=f"must be one of {', '.join(SCOPES)}")


def validate_dedupe(params: Mapping[str, Any]) -> None:
    """Refuse a scope that there is not, or that the other parameters leave without a sense.

    Raises:
        ApiError: ``parameter_invalid``.
    """
    scope = params.get("dedupe")
    validate_scope(scope)
    if scope == "album" and not params.get("album_id"):
        raise ApiError("parameter_invalid", parameter="dedupe", reason="needs an album_id to look in an album")


def source_of(url: str, headers: Mapping[str, str]) -> str | None:
    """By what imports of the same source are found: a digest of the url; None where something in it is secret."""
    if headers or filtered_url(url) != url or url[:5].lower() == "data:":
        return None
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


class FindsDuplicates(Protocol):
    """Finds images that are there already; ``lading.service.work.pipeline.lookup`` does, in the database."""

    async def by_bytes(self, document: Import, sha256: str) -> Duplicate | None:
        """An image with these bytes, where the import wants to know."""
        ...

    async def by_source(self, document: Import, source: str | None) -> Duplicate | None:
        """The latest image from that source whose origin gave it an entity tag, where the import wants to know."""
        ...

    async def refer(self, document: Import, found: Duplicate) -> Import:
        """Make a running import refer to an image: see ``lading.service.storages.sharing``.

        Returns:
            the import as it is written now; without a ``duplicate``, where the image was deleted meanwhile.

        Raises:
            TakenOver: the import is another attempt's by now.
        """
        ...
