"""Operations on the service itself."""

from collections.abc import Sequence
from typing import Final

from ..declaration import JSON, STRING, Operation, Parameter, json_of

_PAGE: Final = ("Content-Security-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy")

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
    Operation(
        "get",
        "/",
        "getPage",
        "Service",
        "The page for people, to a browser that asks for `text/html`.",
        answers={200: {"text/html": STRING}, 304: {}},
        errors=("not_found",),
        is_open=True,
        parameters=(Parameter("If-None-Match", STRING, "The entity tags that the client knows.", "header"),),
        sends={200: ("ETag", *_PAGE), 304: ("ETag", *_PAGE)},
    ),
    *(
        Operation(
            "get",
            path,
            name,
            "Service",
            "A file of that page.",
            answers={200: {"*/*": STRING}, 304: {}},
            errors=("not_found",),
            is_open=True,
            parameters=(Parameter("If-None-Match", STRING, "The entity tags that the client knows.", "header"),),
            sends={200: ("ETag", *_PAGE), 304: ("ETag", *_PAGE)},
        )
        for path, name in (
            ("/page/{version}/{file}", "getPageFile"),
            ("/page/{version}/{folder}/{file}", "getPageModule"),
        )
    ),
)
