"""The query of a list of deliveries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from ..errors.catalogue import ApiError
from ..errors.queries import limit_of, refuse_unknown
from .delivery.record import DELIVERY_ID, DeliveryStatus

_NAMES: Final = ("status", "limit", "cursor")


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """The query.

    Attributes:
        status: of the listed deliveries; None for all.
        limit: deliveries of a page, 1 to ``MAX_LIMIT``.
        after: the id after which the page begins; None for the latest deliveries.
    """

    status: DeliveryStatus | None
    limit: int
    after: str | None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "DeliveryQuery":
        """Read the parameters.

        Raises:
            ApiError: ``parameter_invalid``, naming the first parameter at fault; an unknown parameter is at fault too.
        """
        refuse_unknown(params, _NAMES, "this list")
        status, cursor = params.get("status"), params.get("cursor")
        names = [one.value for one in DeliveryStatus]
        if status is not None and status not in names:
            raise _invalid("status", f"must be one of {', '.join(names)}")
        limit = limit_of(params)
        if cursor is not None and (not isinstance(cursor, str) or not DELIVERY_ID.fullmatch(cursor)):
            raise _invalid("cursor", "is not a cursor from a list")
        return cls(None if status is None else DeliveryStatus(status), limit, cursor)

    def following(self, after: str) -> str:
        """The percent-encoded query of the page that begins after an id (RFC 3986 section 2.1)."""
        status = {"status": self.status.value} if self.status else {}
        return urlencode({**status, "limit": self.limit, "cursor": after})


def _invalid(parameter: str, reason: str) -> ApiError:
    return ApiError("parameter_invalid", parameter=parameter, reason=reason)
