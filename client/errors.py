"""The exceptions of the client; ``ImportFailed`` is in ``models``.

Choose by class, or by ``code``: ``docs/reference/errors.md`` lists the codes.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Final

LONGEST_DETAIL: Final = 2000


class LadingError(Exception):
    """A request failed, or an import did.

    Attributes:
        code: of the service, or of the client itself: ``server_not_reachable``, ``timed_out``, ``answer_invalid``,
            ``redirected``, ``checksum_mismatch``, ``signature_invalid``.
        status: HTTP status of the answer; 0 without one.
        detail: a sentence for people.
        request_id: of the answer; the service's log has it too. Empty without one.
        errors: the parameters at fault, each with ``parameter`` and ``detail``.
        retry_after: seconds after which the service wants another request; None if it does not say.
    """

    def __init__(
        self,
        code: str,
        status: int = 0,
        detail: str = "",
        request_id: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, status, detail, request_id, errors, retry_after)
        self.code = code
        self.status = status
        self.detail = detail
        self.request_id = request_id
        self.errors = tuple(errors)
        self.retry_after = retry_after

    def __str__(self) -> str:
        told = f"{self.code}: {self.detail}" if self.detail else self.code
        return f"{told} (request {self.request_id})" if self.request_id else told


class NotAuthenticated(LadingError):
    """401: the token is missing, malformed or expired, or its issuer is disabled."""


class PermissionDenied(LadingError):
    """403: the token does not grant the ability, or a quota is used up."""


class NotFound(LadingError):
    """404 or 410: there is no such import, image, batch, upload or webhook, or it is gone."""


class Conflict(LadingError):
    """409, 412 or 423: the state of the resource does not allow the request."""


class ValidationFailed(LadingError):
    """400, 413, 415, 416, 422, 431 or 460: the service refuses the request as it is."""


class RateLimited(LadingError):
    """429: the issuer sends more than its limit, and the retries did not suffice."""


class Unavailable(LadingError):
    """502, 503, 504 or 507: the service cannot answer now, and the retries did not suffice."""


class ServerNotReachable(LadingError):
    """No answer: the connection failed, broke or timed out, and the retries did not suffice.

    Attributes:
        was_sent: whether the request may have reached the service.
    """

    def __init__(self, detail: str, *, was_sent: bool) -> None:
        super().__init__("server_not_reachable", detail=detail)
        self.args = (detail, was_sent)
        self.was_sent = was_sent

    def __reduce__(self) -> tuple[Any, ...]:
        return _not_reachable, self.args


class TimedOut(LadingError, TimeoutError):
    """An import is not final, or an event did not come, within the time that the caller gave."""

    def __init__(self, detail: str) -> None:
        super().__init__("timed_out", detail=detail)
        self.args = (detail,)


_CLASSES: Final[Mapping[int, type[LadingError]]] = {
    **dict.fromkeys((400, 413, 415, 416, 422, 431, 460), ValidationFailed),
    401: NotAuthenticated,
    403: PermissionDenied,
    **dict.fromkeys((404, 410), NotFound),
    **dict.fromkeys((409, 412, 423), Conflict),
    429: RateLimited,
    **dict.fromkeys((502, 503, 504, 507), Unavailable),
}


def answered(status: int, headers: Mapping[str, str], body: bytes) -> LadingError:
    """The exception for an answer that is no success (RFC 9457).

    Args:
        status: of the answer.
        headers: of the answer, by their names in lower case.
        body: of the answer, or its beginning; it may come from a proxy, and have any form.
    """
    problem: Any = None
    with suppress(ValueError):
        problem = json.loads(body)
    return refusal(status, problem if isinstance(problem, dict) else {}, headers)


def refusal(status: int, problem: Mapping[str, Any], headers: Mapping[str, str] = MappingProxyType({})) -> LadingError:
    """The exception for a problem document, or for the line of an item that a batch refuses."""
    detail = str(problem.get("detail") or f"The server answered with status {status}.")[:LONGEST_DETAIL]
    parameter = problem.get("parameter")
    errors = problem.get("errors") or ([{"parameter": parameter, "detail": detail}] if parameter else [])
    return _CLASSES.get(status, LadingError)(
        str(problem.get("code") or f"http_{status}"),
        status,
        detail,
        str(problem.get("request_id") or headers.get("x-request-id", "")),
        [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else [],
        _retry_after(headers.get("retry-after", "")),
    )


def _retry_after(value: str) -> float | None:
    """Seconds, or a date (RFC 9110 section 10.2.3); None for anything else."""
    if value.isascii() and value.isdigit() and len(value) < 10:  # noqa: PLR2004  # thirty years are enough
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _not_reachable(detail: str, was_sent: bool) -> ServerNotReachable:  # as pickle calls it
    return ServerNotReachable(detail, was_sent=was_sent)
