"""The rules for the parameters of an import. Unknown parameters are kept and returned as sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors.catalogue import ApiError
from ..models.compact import compact
from ..work.pipeline.expectations import expectations_schema, validate_expectations

Schema = Mapping[str, Any]

MAX_URLS = 8
"""Mirrors that an import may name."""
SCOPES: Final = ("off", "album", "organization")
"""Values of ``dedupe``: where the import looks for an image with the same bytes."""
_JSON = compact()
_LONGEST_ESCAPE: Final = len("\\u0000")


@dataclass(frozen=True, slots=True)
class ParamRules:
    """Limits on parameters.

    Attributes:
        metadata_max_bytes: size of ``metadata`` or ``metadatas`` as compact JSON in UTF-8.
        filename_max_bytes, album_id_max_bytes: size of ``filename`` and ``album_id`` in UTF-8.
        import_types: valid values of ``import_type``; they change nothing, since the url decides.
        formats: possible formats of images with their media types; None if they are unknown.
    """

    metadata_max_bytes: int
    filename_max_bytes: int
    album_id_max_bytes: int
    import_types: frozenset[str]
    formats: Mapping[str, frozenset[str]] | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """The rule of a parameter.

    Attributes:
        about: its description in the API's document.
        judge: called with its name, its value, which is not None, and the limits; raises ``ApiError``
            (``parameter_invalid``).
        schema: the valid values as JSON Schema 2020-12.
    """

    about: str
    judge: Callable[[str, Any, ParamRules], None]
    schema: Callable[[ParamRules], Schema]


def validate(params: Mapping[str, Any], rules: ParamRules) -> None:
    """Refuse parameters of a wrong type, size or form.

    Raises:
        ApiError: ``parameter_invalid``, naming the first parameter at fault.
    """
    for name, declared in PARAMETERS.items():
        if (value := params.get(name)) is not None:
            declared.judge(name, value, rules)
    if params.get("dedupe") == "album" and not params.get("album_id"):
        raise _invalid("dedupe", "needs an album_id to look in an album")


def _text(limit: Callable[[ParamRules], int], about: str) -> Declared:
    def judge(name: str, value: Any, rules: ParamRules) -> None:
        if not isinstance(value, str):
            raise _invalid(name, "must be a string")
        if len(value.encode()) > limit(rules):
            raise _invalid(name, f"is longer than {limit(rules)} bytes")
        if "\0" in value:  # SQLite's JSON functions end a text there, so that it would not be found again
            raise _invalid(name, "contains a NUL character")

    return Declared(
        about, judge, lambda rules: {"type": ["string", "null"], "maxLength": limit(rules), "pattern": "^[^\\0]*$"}
    )


def _judge_import_type(name: str, value: Any, rules: ParamRules) -> None:
    if not isinstance(value, str):
        raise _invalid(name, "must be a string")
    if value and value not in rules.import_types:
        raise _invalid(name, f"must be one of {', '.join(sorted(rules.import_types))}")


def _metadata(about: str) -> Declared:
    return Declared(
        about,
        lambda name, value, rules: _validate_metadata(name, value, rules.metadata_max_bytes),
        lambda rules: {
            "type": ["object", "null"],
            "description": f"{about} At most {rules.metadata_max_bytes} bytes of JSON.",
        },
    )


def _validate_url(url: Any) -> None:
    if isinstance(url, list):
        if not 1 <= len(url) <= MAX_URLS or not all(isinstance(one, str) and one.strip() for one in url):
            raise _invalid("url", f"must be a string, or a list of 1 to {MAX_URLS} non-empty strings")
    elif not isinstance(url, str):
        raise _invalid("url", "must be a string")
    elif not url.strip():
        raise _invalid("url", "is empty; leave it out if you send the image yourself")


def _validate_metadata(name: str, metadata: Any, max_bytes: int) -> None:
    if not isinstance(metadata, Mapping):
        raise _invalid(name, "must be an object")
    if not _is_surely_small(metadata, max_bytes) and len(_JSON(metadata).encode()) > max_bytes:
        raise _invalid(name, f"is larger than {max_bytes} bytes")


def _is_surely_small(metadata: Mapping[str, Any], max_bytes: int) -> bool:
    """Whether the metadata is flat text, as most is, that cannot be too large in whichever characters."""
    longest = 2
    for key, value in metadata.items():
        if not isinstance(value, str):
            return False
        longest += _LONGEST_ESCAPE * (len(key) + len(value)) + len('"":"",')
    return longest <= max_bytes


def _validate_headers(headers: Any) -> None:
    if not isinstance(headers, Mapping):
        raise _invalid("headers", "must be an object")
    if any(not isinstance(value, str) for value in headers.values()):
        raise _invalid("headers", "must have strings as its values")


def _validate_webhook(webhook: Any) -> None:
    if not isinstance(webhook, Mapping):
        raise _invalid("webhook", "must be an object with a url")
    if not isinstance(webhook.get("url"), str) or not webhook["url"]:
        raise _invalid("webhook[url]", "must be a non-empty string")


def _validate_scope(scope: Any) -> None:
    if scope not in SCOPES:
        raise _invalid("dedupe", f"must be one of {', '.join(SCOPES)}")


def _invalid(parameter: str, reason: str) -> ApiError:
    return ApiError("parameter_invalid", parameter=parameter, reason=reason)


_URL: Final[Schema] = {"type": "string", "minLength": 1}
_SOURCE: Final[Schema] = {"type": "string", "pattern": r"\S"}
"""White space alone is an empty url."""
PARAMETERS: Final[Mapping[str, Declared]] = {
    "url": Declared(
        "The url of the image, or a list of mirrors. Without it, the import waits for its bytes.",
        lambda _name, value, _rules: _validate_url(value),
        lambda _: {
            "anyOf": [
                _SOURCE,
                {"type": "array", "items": _SOURCE, "minItems": 1, "maxItems": MAX_URLS},
                {"type": "null"},
            ]
        },
    ),
    "album_id": _text(lambda rules: rules.album_id_max_bytes, "Album of the image."),
    "filename": _text(lambda rules: rules.filename_max_bytes, "Name of the image."),
    "import_type": Declared(
        "Changes nothing, since the url decides.",
        _judge_import_type,
        lambda rules: {"enum": [*sorted(rules.import_types), "", None]},
    ),
    "metadata": _metadata("Kept and returned as sent."),
    "metadatas": _metadata("Kept and returned as sent."),
    "headers": Declared(
        "Headers for the fetch; their values are never shown again.",
        lambda _name, value, _rules: _validate_headers(value),
        lambda _: {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
    ),
    "webhook": Declared(
        "The receiver of the event at the end of this import.",
        lambda _name, value, _rules: _validate_webhook(value),
        lambda _: {"type": ["object", "null"], "required": ["url"], "properties": {"url": _URL}},
    ),
    "dedupe": Declared(
        "Where Lading looks for an image with the same bytes, to share it.",
        lambda _name, value, _rules: _validate_scope(value),
        lambda _: {"enum": [*SCOPES, None]},
    ),
    "expect": Declared(
        "Expectations of the image; an unmet expectation fails the import.",
        lambda _name, value, rules: validate_expectations(value, rules.formats),
        lambda rules: expectations_schema(rules.formats),
    ),
}
"""Every parameter with a rule, in the order of the checks."""


def parameters_schema(rules: ParamRules) -> Schema:
    """The parameters that ``validate`` accepts, as JSON Schema."""
    known = {name: {"description": one.about, **one.schema(rules)} for name, one in PARAMETERS.items()}
    return {
        "type": "object",
        "description": "Other parameters are kept and returned as sent.",
        "properties": {**known, "tags": {"description": "Kept and returned as sent."}},
    }
