"""Conditional requests (RFC 9110 section 13): the precedence of section 13.2.2, entity tags, and dates."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final

_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class Verdict(Enum):
    """The result of the conditions of a request."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    """304: the client has these bytes already."""
    FAILED = auto()
    """412: the client wants other bytes than these."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditional fields of a request; None for a missing field. Several fields of one name are joined."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None


def evaluate(conditions: Conditions, etag: str, last_modified: datetime) -> Verdict:
    """Evaluate the conditions of a GET or HEAD. A malformed date is no condition.

    Args:
        conditions: of the request.
        etag: the strong entity tag of the representation, with its quotes.
        last_modified: of the representation, whole seconds.
    """
    if conditions.if_match is not None:
        if not _names(conditions.if_match, (etag,)):
            return Verdict.FAILED
    else:
        unmodified_since = http_date(conditions.if_unmodified_since)
        if unmodified_since is not None and last_modified > unmodified_since:
            return Verdict.FAILED
    if conditions.if_none_match is not None:
        # The weak comparison (section 8.8.3.2): a cache may have weakened our tag.
        same = _names(conditions.if_none_match, (etag, f"W/{etag}"))
        return Verdict.NOT_MODIFIED if same else Verdict.PROCEED
    modified_since = http_date(conditions.if_modified_since)
    if modified_since is not None and last_modified <= modified_since:
        return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def http_date(value: str | None) -> datetime | None:
    """The moment of an HTTP date (section 5.6.7, all three forms), in UTC; None if it is malformed."""
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _names(field: str, tags: Iterable[str]) -> bool:
    """Whether a list of entity tags has one of ``tags``, or is ``*``."""
    return field.strip() == "*" or not set(tags).isdisjoint(_ETAG.findall(field))
