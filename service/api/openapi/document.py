"""The whole description: OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1)."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from ....plugins.errors import PluginError, StorageFull, StorageUnavailable
from ...errors.catalogue import CATALOGUE
from ...errors.params import ParamsError
from ...errors.specs import reason_phrase
from ...imports.validation import ParamRules
from ...models.representation import encode
from .declaration import Operation, Parameter, Schema, reference
from .examples import examples_of
from .headers import described, headers_of
from .operations import OPERATIONS
from .schemas import schemas

PROBLEM: Final = "application/problem+json"
METHOD_NOT_ALLOWED: Final = "MethodNotAllowed"
COMMON: Final = ("request_head_too_large", "request_body_too_large", "internal_error")
AUTHENTICATED: Final = ("unauthorized", "documents_unavailable")
_UNPROCESSABLE: Final = HTTPStatus.UNPROCESSABLE_ENTITY
_UNAVAILABLE: Final = HTTPStatus.SERVICE_UNAVAILABLE
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


class Description:
    """The description as it is sent: made at the first request, and kept.

    Args:
        rules: limits on the parameters of an import.
        upload_max_bytes: the largest size of an upload.
    """

    def __init__(self, rules: ParamRules, upload_max_bytes: int) -> None:
        self._rules = rules
        self._upload_max_bytes = upload_max_bytes

    @cached_property
    def payload(self) -> bytes:
        """JSON in UTF-8."""
        return encode(describe(self._rules, self._upload_max_bytes))

    @cached_property
    def etag(self) -> str:
        """Its strong entity tag, with its quotes (RFC 9110 section 8.8.3)."""
        return f'"{hashlib.sha256(self.payload).hexdigest()[:32]}"'


def describe(rules: ParamRules, upload_max_bytes: int) -> dict[str, Any]:
    """The description of the API; for the arguments see ``Description``."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Lading",
            "version": version("lading"),
            "description": "Every path with GET has HEAD too, whose answer has no body (RFC 9110 section 9.3.2).",
            "summary": "Imports images by URL: post a URL, get a document at once, and Lading stores the image.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in OPERATIONS)],
        "components": {
            "schemas": schemas(rules, upload_max_bytes),
            "headers": described(),
            "responses": {METHOD_NOT_ALLOWED: _method_not_allowed()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": '`Bearer JWT`, `Token JWT` or `Token token="JWT"`.',
                }
            },
        },
        "security": [{"token": []}],
    }


def error_texts() -> Mapping[str, tuple[int, str]]:
    """Status and text of every code that an operation may name."""
    found = {code: (int(spec.status), spec.text) for code, spec in CATALOGUE.items()}
    for cls in _subclasses(PluginError):
        status = _UNAVAILABLE if cls.retryable or issubclass(cls, StorageUnavailable | StorageFull) else _UNPROCESSABLE
        found.setdefault(cls.code, (int(status), cls.public_text))
    for params_error in _subclasses(ParamsError):
        if "code" in vars(params_error):
            found.setdefault(params_error.code, (int(params_error.status), "The request cannot be read."))
    return found


def _subclasses(cls: Any) -> Sequence[Any]:
    direct = cls.__subclasses__()
    return [cls, *direct, *(inner for one in direct for inner in _subclasses(one)[1:])] if direct else [cls]


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [
            *map(_path_parameter, _PLACEHOLDER.findall(operation.path)),
            *map(_parameter, operation.parameters),
        ],
        "responses": {
            **_answers(operation),
            **_errors(operation),
            # The answer to a method that the path does not have, so no operation of the path can give it.
            "405": {"$ref": f"#/components/responses/{METHOD_NOT_ALLOWED}"},
        },
    }
    if operation.about:
        described["description"] = operation.about
    if operation.bodies:
        content = _content(operation.bodies, "request", operation.id)
        described["requestBody"] = {"content": content, "required": operation.is_body_required}
    if operation.is_open:
        described["security"] = []
    return described


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "description": parameter.about,
        "schema": parameter.schema,
    }
    return described | ({"style": "deepObject", "explode": True} if parameter.is_object else {})


def _answers(operation: Operation) -> dict[str, Any]:
    return {
        str(status): {
            "description": reason_phrase(HTTPStatus(status)),
            "headers": headers_of(operation, status),
            **({"content": _content(content, "answer", operation.id)} if content else {}),
        }
        for status, content in operation.answers.items()
    }


def _errors(operation: Operation) -> dict[str, Any]:
    texts = error_texts()
    codes = dict.fromkeys((*operation.errors, *COMMON, *(() if operation.is_open else AUTHENTICATED)))
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(texts[code][0], []).append(code)
    return {str(status): _error(operation, status, by_status[status], texts) for status in sorted(by_status)}


def _method_not_allowed() -> dict[str, Any]:
    code = "method_not_allowed"
    return _error(None, CATALOGUE[code].status, [code], error_texts())


def _content(content: Mapping[str, Schema], part: str, operation: str) -> dict[str, Any]:
    """Bodies by media type, with their examples."""
    found = {}
    for media_type, schema in content.items():
        examples = examples_of(schema, media_type, part, operation)
        told = {name: {"value": value} for name, value in examples.items()}
        found[media_type] = {"schema": schema, **({"examples": told} if told else {})}
    return found


def _error(
    operation: Operation | None, status: int, codes: Sequence[str], texts: Mapping[str, tuple[int, str]]
) -> dict[str, Any]:
    title = reason_phrase(HTTPStatus(status)) if status in set(HTTPStatus) else "Checksum Mismatch"
    examples = {
        code: {
            "value": {
                "type": "about:blank",
                "title": title,
                "status": status,
                "detail": texts[code][1],
                "code": code,
                "request_id": "a44d1eee-08a2-4de8-ac8b-425299e6e83f",
            }
        }
        for code in codes
    }
    return {
        "description": f"{title}: {', '.join(f'`{code}`' for code in codes)}",
        "headers": headers_of(operation, status),
        "content": {PROBLEM: {"schema": reference("Problem"), "examples": examples}},
    }
