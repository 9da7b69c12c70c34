"""Lists of imports and of their albums: the query of a client, and the albums that its token may list. It knows no HTTP
but error codes.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from ..documents import DocumentStore
from ..documents.search import MAX_PAIR_LENGTH, AlbumPage, Filter, Page, Position
from ..errors.catalogue import ApiError
from ..errors.database import told_as_outage
from ..errors.queries import DEFAULT_LIMIT, limit_of, refuse_unknown
from ..models import MAX_ID_LENGTH, Status
from ..models.grants import Grant

LIST_ABILITIES: Final = ("image_list", "see")
"""Each of these abilities allows a token to read lists."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-5][0-9])"
)
_CURSOR: Final = re.compile(r"([0-9]{1,14}) ([0-9A-Za-z-]{1,64})")
_NAMES: Final = ("album_id", "status", "created_after", "created_before", "metadata", "batch_id", "limit", "cursor")


@dataclass(frozen=True, slots=True)
class Query:
    """The query of a list.

    Attributes:
        limit: imports of a page, 1 to ``MAX_LIMIT``.
        after: the position after which the page begins; None for the newest imports.
    """

    album_id: str | None
    status: Status | None
    created_after: datetime | None
    created_before: datetime | None
    metadata: tuple[str, str] | None
    batch_id: str | None
    limit: int
    after: Position | None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "Query":
        """Read the parameters of a list.

        Raises:
            ApiError: ``parameter_invalid``, naming the first parameter at fault; an unknown parameter is at fault too.
        """
        refuse_unknown(params, _NAMES, "this list")
        return cls(
            album_id=_text(params, "album_id"),
            status=_status(params),
            created_after=_moment(params, "created_after"),
            created_before=_moment(params, "created_before"),
            metadata=_metadata(params),
            batch_id=_text(params, "batch_id", MAX_ID_LENGTH),
            limit=limit_of(params),
            after=_position(params),
        )

    def following(self, after: Position) -> str:
        """The percent-encoded query of the page that begins at another position (RFC 3986 section 2.1)."""
        name, value = self.metadata or ("", None)
        told = {
            "album_id": self.album_id,
            "status": self.status and self.status.value,
            "created_after": self.created_after and self.created_after.isoformat().replace("+00:00", "Z"),
            "created_before": self.created_before and self.created_before.isoformat().replace("+00:00", "Z"),
            f"metadata[{name}]": value,
            "batch_id": self.batch_id,
            "limit": None if self.limit == DEFAULT_LIMIT else str(self.limit),
            "cursor": cursor_of(after),
        }
        return urlencode({name: value for name, value in told.items() if value is not None}, quote_via=quote)


@dataclass(frozen=True, slots=True)
class AlbumQuery:
    """The query of a list of albums.

    Attributes:
        limit: albums of a page, 1 to ``MAX_LIMIT``.
        after: the id after which the page begins.
    """

    limit: int
    after: str

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "AlbumQuery":
        """Read the parameters of a list of albums.

        Raises:
            ApiError: ``parameter_invalid``, as for a list of imports.
        """
        refuse_unknown(params, ("limit", "cursor"), "this list")
        value = _text(params, "cursor")
        return cls(limit_of(params), "" if value is None else _decoded(value))

    def following(self, after: str) -> str:
        """The query of the page that begins after another album."""
        limit = "" if self.limit == DEFAULT_LIMIT else f"limit={self.limit}&"
        return f"{limit}cursor={_encoded(after)}"


@dataclass(frozen=True, slots=True)
class Listing:
    """The lists of all organisations, with the checks of the grants."""

    store: DocumentStore

    async def page(self, grant: Grant, query: Query) -> Page:
        """A page of the grant's organisation, the newest imports first; see ``ImportSearch.list``.

        Raises:
            ApiError: ``forbidden``, if the token may list no album, or not the requested one;
                ``documents_unavailable``.
        """
        wanted = Filter(
            organization_id=grant.organization_id,
            albums=listed_albums(grant, query.album_id),
            status=query.status,
            created_from=query.created_after,
            created_before=query.created_before,
            metadata=query.metadata,
            batch_id=query.batch_id,
        )
        with told_as_outage():
            return await self.store.search.list(wanted, query.limit, query.after)

    async def albums(self, grant: Grant, query: AlbumQuery) -> AlbumPage:
        """A page of the albums that the grant may list, by their ids; see ``ImportSearch.albums``.

        Raises:
            ApiError: ``forbidden``, if the token may list no album; ``documents_unavailable``.
        """
        among = listed_albums(grant, None)
        with told_as_outage():
            return await self.store.search.albums(grant.organization_id, query.limit, query.after, among)


def cursor_of(position: Position) -> str:
    """The cursor for the imports after a position."""
    return _encoded(f"{(position.moment - _EPOCH) // _MILLISECOND} {position.id}")


def followed_album(params: Mapping[str, Any]) -> str | None:
    """Read the parameters of a stream of albums: the requested album, or None for all.

    Raises:
        ApiError: ``parameter_invalid``, as for a list.
    """
    refuse_unknown(params, ("album_id", "access_token"), "this stream")
    return _text(params, "album_id")


def listed_albums(grant: Grant, album_id: str | None) -> tuple[str, ...] | None:
    """The albums of a list: the requested album, or all that the token may list; None for all albums.

    Raises:
        ApiError: ``forbidden``.
    """
    if album_id is not None:
        if not any(grant.allows(ability, album_id) for ability in LIST_ABILITIES):
            raise ApiError("forbidden", ability=LIST_ABILITIES[0])
        return (album_id,)
    if grant.admin:
        return None
    albums = tuple(album for album, granted in grant.abilities.items() if granted.intersection(LIST_ABILITIES))
    if not albums:
        raise ApiError("forbidden", ability=LIST_ABILITIES[0])
    return albums


def _text(params: Mapping[str, Any], name: str, max_length: int = 4096) -> str | None:
    value = params.get(name)
    if value is not None and (not isinstance(value, str) or not value or len(value) > max_length):
        raise _invalid(name, "must be a non-empty string")
    return value


def _status(params: Mapping[str, Any]) -> Status | None:
    value = _text(params, "status")
    try:
        return None if value is None else Status(value)
    except ValueError:
        raise _invalid("status", f"must be one of {', '.join(Status)}") from None


def _moment(params: Mapping[str, Any], name: str) -> datetime | None:
    """A date-time of RFC 3339 section 5.6. Other forms of ISO 8601, such as a date or a time without an offset, would
    make the service guess. In a query ``+`` means a space, so a space before the offset is read as ``+``.
    """
    value = _text(params, name)
    if value is None:
        return None
    text = value.replace(" ", "+").upper()
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError  # noqa: TRY301  # told as the others
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _invalid(name, "must be a date and time with an offset, such as 2026-02-03T04:05:06.789Z") from None


def _metadata(params: Mapping[str, Any]) -> tuple[str, str] | None:
    value = params.get("metadata")
    if value is None:
        return None
    if not isinstance(value, Mapping) or len(value) != 1:
        raise _invalid("metadata", "must be one name with its value: metadata[name]=value")
    ((name, text),) = value.items()
    if not isinstance(text, str) or len(name) + len(text) > MAX_PAIR_LENGTH:
        raise _invalid("metadata", f"must be a string; its name and value have at most {MAX_PAIR_LENGTH} characters")
    return name, text


def _position(params: Mapping[str, Any]) -> Position | None:
    value = _text(params, "cursor")
    if value is None:
        return None
    match = _CURSOR.fullmatch(_decoded(value))
    if match is None:
        raise _invalid_cursor()
    return Position(_EPOCH + int(match[1]) * _MILLISECOND, match[2])


def _encoded(place: str) -> str:
    """The cursor for a place in a list."""
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def _decoded(cursor: str) -> str:
    try:
        place = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        raise _invalid_cursor() from None
    if not place:
        raise _invalid_cursor()
    return place


def _invalid_cursor() -> ApiError:
    return _invalid("cursor", "is not a cursor from a list")


def _invalid(parameter: str, reason: str) -> ApiError:
    return ApiError("parameter_invalid", parameter=parameter, reason=reason)
