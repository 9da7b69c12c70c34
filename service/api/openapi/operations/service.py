"""Operations on the service itself."""

from collections.abc import Sequence
from typing import Final

from ..declaration import JSON, STRING, Operation, Parameter, json_of

SERVICE: Final[Sequence[Operation]] = (
    Operation(
        "get",
        "/healthz",
        "getHealth",
        "Service",
        "Say that the process is alive.",
        answers={200: json_of("State")},
        is_open=True,
    ),
    Operation(
        "get",
        "/readyz",
        "getReadiness",
        "Service",
        "Say whether the database, each storage and the disks can be used.",
        answers={200: json_of("State")},
        errors=("not_ready", "service_stopping"),
        is_open=True,
    ),
    Operation(
        "get",
        "/openapi.json",
        "getDescription",
        "Service",
        "This description.",
        answers={200: {JSON: {"type": "object"}}, 304: {}},
        is_open=True,
        parameters=(Parameter("If-None-Match", STRING, "The entity tags that the client knows.", "header"),),
        sends={200: ("ETag",), 304: ("ETag",)},
    ),
    Operation(
        "get",
        "/docs",
        "getDocs",
        "Service",
        "A page that shows this description.",
        answers={200: {"text/html": STRING}},
        errors=("docs_not_installed",),
        is_open=True,
        sends={200: ("Content-Security-Policy",)},
    ),
    Operation(
        "get",
        "/docs/{file}",
        "getDocsFile",
        "Service",
        "A file of that page.",
        answers={200: {"*/*": STRING}},
        errors=("not_found",),
        is_open=True,
    ),
)
