"""The parameters below ``/admin/``: each with its name, and the rule of its values."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from ...errors.catalogue import ApiError
from ...errors.queries import refuse_unknown
from ...imports.bulk import parse_code, parse_host
from ...models.clock import parse_duration
from ...models.issuers import is_issuer_id
from ..params import Params

ISSUER: Final = "issuer_id"
HOST: Final = "host"
CODE: Final = "code"
SINCE: Final = "since"
LIMIT: Final = "limit"
DRY_RUN: Final = "dry_run"
NARROWING: Final = (ISSUER, HOST, CODE, SINCE)
"""Those that say which imports are meant."""
MOST: Final = 1000
"""The largest ``limit``."""
_MOST_DIGITS: Final = 100


def read(params: Params, known: Collection[str]) -> Mapping[str, Any]:
    """The values of the parameters that a request has.

    Args:
        params: of the request.
        known: the names that it may have.

    Raises:
        ApiError: ``parameter_invalid``, naming the first parameter at fault.
    """
    refuse_unknown(params, known, "this request")
    found = {}
    for name, value in params.items():
        reason, parse = _RULES[name]
        try:
            found[name] = parse(value)
        except (ValueError, TypeError):
            raise ApiError("parameter_invalid", parameter=name, reason=reason) from None
    return found


def _text(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError
        return parse(value)

    return checked


def _issuer(text: str) -> str:
    if not is_issuer_id(text):
        raise ValueError
    return text


def _limit(value: Any) -> int:
    """A number from JSON, or its digits from a query string."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        value = int(value)
    if type(value) is not int or not 1 <= value <= MOST:
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


_RULES: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    ISSUER: ("is not the id of an issuer", _text(_issuer)),
    HOST: ("is not a host such as images.example.org, without a scheme, a port and a path", _text(parse_host)),
    CODE: ("is not an error code", _text(parse_code)),
    SINCE: ("is not a duration such as 90s, 15m, 4h or 30d", _text(parse_duration)),
    LIMIT: (f"is not a whole number from 1 to {MOST}", _limit),
    DRY_RUN: ("is neither true nor false", _flag),
}
