"""What the parameters of an import may be. Parameters that the API does not know are kept and returned as sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.dedupe import validate_dedupe
from service.errors import ApiError
from service.expectations import validate_expectations

MAX_URLS = 8
"""Mirrors that an import may name."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class ParamRules:
    """Limits on parameters.

    Attributes:
        metadata_max_bytes: size of ``metadata`` or ``metadatas`` as compact JSON in UTF-8.
        filename_max_bytes, album_id_max_bytes: size of ``filename`` and ``album_id`` in UTF-8.
        import_types: values that a client may send as ``import_type``; the url decides, so they change nothing.
        formats: that images may have, with their media types; None where that is not known.
    """

    metadata_max_bytes: int
    filename_max_bytes: int
    album_id_max_bytes: int
    import_types: frozenset[str]
    formats: Mapping[str, frozenset[str]] | None = None


def validate(params: Mapping[str, Any], rules: ParamRules) -> None:
    """Refuse parameters whose shape makes no sense.

    Raises:
        ApiError: ``parameter_invalid``, naming the first one at fault.
    """
    _validate_url(params.get("url"))
    for name in ("album_id", "filename", "import_type"):
        if not isinstance(params.get(name), str | None):
            raise _invalid(name, "must be a string")
    for name, max_bytes in (("album_id", rules.album_id_max_bytes), ("filename", rules.filename_max_bytes)):
        if len((params.get(name) or "").encode()) > max_bytes:
            raise _invalid(name, f"is longer than {max_bytes} bytes")
    if params.get("import_type") and params["import_type"] not in rules.import_types:
        raise _invalid("import_type", f"must be one of {', '.join(sorted(rules.import_types))}")
    for name in ("metadata", "metadatas"):
        _validate_metadata(name, params.get(name), rules.metadata_max_bytes)
    _validate_headers(params.get("headers"))
    _validate_webhook(params.get("webhook"))
    validate_dedupe(params)
    validate_expectations(params.get("expect"), rules.formats)


def _validate_url(url: Any) -> None:
    if isinstance(url, list):
        if not 1 <= len(url) <= MAX_URLS or not all(isinstance(one, str) and one for one in url):
            raise _invalid("url", f"must be a string, or a list of 1 to {MAX_URLS} strings that are not empty")
    elif not isinstance(url, str | None):
        raise _invalid("url", "must be a string")


def _validate_metadata(name: str, metadata: Any, max_bytes: int) -> None:
    if not isinstance(metadata, Mapping | None):
        raise _invalid(name, "must be an object")
    if metadata and len(_JSON.encode(metadata).encode()) > max_bytes:
        raise _invalid(name, f"is larger than {max_bytes} bytes")


def _validate_headers(headers: Any) -> None:
    if not isinstance(headers, Mapping | None):
        raise _invalid("headers", "must be an object")
    if any(not isinstance(value, str) for value in (headers or {}).values()):
        raise _invalid("headers", "must have strings as its values")


def _validate_webhook(webhook: Any) -> None:
    if webhook is None:
        return
    if not isinstance(webhook, Mapping):
        raise _invalid("webhook", "must be an object with a url")
    if not isinstance(webhook.get("url"), str) or not webhook["url"]:
        raise _invalid("webhook[url]", "must be a string that is not empty")


def _invalid(parameter: str, reason: str) -> ApiError:
    return ApiError("parameter_invalid", parameter=parameter, reason=reason)
