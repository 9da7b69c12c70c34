"""The parameters of an endpoint in a client's request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors.catalogue import ApiError
from ..errors.queries import refuse_unknown
from .endpoints import ALL, EVENT_NAMES

MAX_DESCRIPTION: Final = 255
_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "url": {"type": ["string", "null"], "minLength": 1},
    "events": {
        "anyOf": [
            {"enum": [ALL, *EVENT_NAMES, None]},
            {"type": "array", "items": {"enum": [ALL, *EVENT_NAMES]}, "minItems": 1},
        ]
    },
    "description": {"type": ["string", "null"], "maxLength": MAX_DESCRIPTION},
    "enabled": {"enum": [True, False, "true", "false", None]},
}
"""Every known parameter; others are refused."""
WISHES: Final[Mapping[str, Any]] = {"type": "object", "properties": _SCHEMAS, "additionalProperties": False}
"""The parameters that ``wishes_of`` reads, as JSON Schema."""
_WORDS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Wishes:
    """The requested attributes of an endpoint; None for an attribute that the request lacks."""

    url: str | None = field(default=None, repr=False)
    events: tuple[str, ...] | None = None
    description: str | None = None
    enabled: bool | None = None


def wishes_of(params: Mapping[str, Any]) -> Wishes:
    """Read the parameters ``url``, ``events`` (a list, or ``*``), ``description`` and ``enabled``.

    Raises:
        ApiError: ``parameter_invalid``, naming the first parameter at fault; an unknown parameter is at fault too.
    """
    refuse_unknown(params, _SCHEMAS, "an endpoint")
    url = _text(params, "url")
    if url == "":
        raise _invalid("url", "is empty")
    description = _text(params, "description")
    if description is not None and len(description.encode()) > MAX_DESCRIPTION:
        raise _invalid("description", f"is longer than {MAX_DESCRIPTION} bytes")
    return Wishes(url, _events(params.get("events")), description, _enabled(params.get("enabled")))


def _text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise _invalid(name, "must be a string")
    return value


def _events(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise _invalid("events", "must be a list of names")
    if any(name not in (ALL, *EVENT_NAMES) for name in names):
        raise _invalid("events", f"may have {', '.join(EVENT_NAMES)}, or {ALL} for all")
    return tuple(dict.fromkeys(names))


def _enabled(value: Any) -> bool | None:
    if isinstance(value, str):
        value = _WORDS.get(value, value)
    if value is not None and not isinstance(value, bool):
        raise _invalid("enabled", "must be true or false")
    return value


def _invalid(parameter: str, reason: str) -> ApiError:
    return ApiError("parameter_invalid", parameter=parameter, reason=reason)
