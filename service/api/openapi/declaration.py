"""One operation of the API, as it is declared.

    Operation(
        "get", "/api/v1/things/{thing_id}", "getThing", "Things", "Show a thing.",
        answers={200: json_of("Thing")}, errors=("not_found",),
    )

The path is that of the route table in ``lading.service.api.app``; a test holds the two together, and both with docs.
Errors are codes of ``lading.service.errors.catalogue``; what every operation may answer need not be named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Schema = Mapping[str, Any]

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
STRING: Final[Schema] = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the query or in a header field.

    Attributes:
        name: its name.
        schema: its valid values.
        about: its meaning.
        place: ``query`` or ``header``.
        is_required: whether it is required.
        is_object: whether it is written ``name[key]=value``.
    """

    name: str
    schema: Schema
    about: str
    place: str = "query"
    is_required: bool = False
    is_object: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation.

    Attributes:
        method: in lower case.
        path: as in the route table.
        id: unique, for generated clients.
        tag: the group that it is shown in.
        summary: one sentence.
        about: further sentences, in Markdown.
        parameters: in the query and in header fields; those of the path come from the path.
        bodies: request bodies, by media type.
        is_body_required: whether a body is required.
        answers: successful answers: by status, the content by media type.
        errors: codes of its errors, in addition to the common ones.
        is_open: whether it needs no token.
        sends: header fields of its answers, in addition to the common ones, by status.
        keeps: further header fields of all its answers, errors too.
    """

    method: str
    path: str
    id: str
    tag: str
    summary: str
    about: str = ""
    parameters: Sequence[Parameter] = ()
    bodies: Mapping[str, Schema] = field(default_factory=dict)
    is_body_required: bool = False
    answers: Mapping[int, Mapping[str, Schema]] = field(default_factory=dict)
    errors: Sequence[str] = ()
    is_open: bool = False
    sends: Mapping[int, Sequence[str]] = field(default_factory=dict)
    keeps: Sequence[str] = ()


def reference(name: str) -> Schema:
    """A schema of ``lading.service.api.openapi.schemas``, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_of(name: str) -> Mapping[str, Schema]:
    """A JSON body with that schema."""
    return {JSON: reference(name)}
