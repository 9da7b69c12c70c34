"""Operations on imports, and their events."""

from collections.abc import Sequence
from typing import Final

from ..declaration import JSON, STRING, Operation, Parameter, json_of, reference
from ..schemas import STATUS
from .common import (
    BINARY,
    CONTENT_ERRORS,
    CREATE_ERRORS,
    CURSOR,
    FORM,
    KEY,
    LIMIT,
    PARAMETERS,
    QUERY_ERRORS,
    TEXT,
    TIME,
    WAIT,
)

LAST_EVENT: Final = Parameter("Last-Event-ID", STRING, "The id of the last event that the client knows.", "header")
ACCESS_TOKEN: Final = Parameter(
    "access_token", STRING, "The token, for a browser's `EventSource`, which cannot send `Authorization`."
)
IMPORTS: Final[Sequence[Operation]] = (
    Operation(
        "post",
        "/api/v1/imports",
        "createImport",
        "Imports",
        "Import an image.",
        "Answers at once with the import's document. Lading then fetches, recognises and stores the image.",
        (
            Parameter("Idempotency-Key", KEY, "The same key makes one import.", "header"),
            WAIT,
        ),
        PARAMETERS,
        answers={200: {JSON: {"anyOf": [reference("AcceptedImport"), reference("Import")]}}},
        errors=(
            *CREATE_ERRORS,
            *CONTENT_ERRORS,
            *("idempotency_key_invalid", "idempotency_in_progress", "idempotency_key_reused", "import_deleted"),
            *("file_part_not_supported", "content_in_progress", "content_not_expected"),
        ),
        sends={200: ("Idempotent-Replayed", "Preference-Applied")},
        keeps=("Location",),
    ),
    Operation(
        "get",
        "/api/v1/imports",
        "listImports",
        "Imports",
        "List imports, the newest first.",
        "`Link` leads to the next page; a page may be short and have a next one.",
        (
            Parameter("album_id", TEXT, "Imports in this album."),
            Parameter("status", STATUS, "Imports in this state."),
            Parameter("created_after", TIME, "Imports created then or later."),
            Parameter("created_before", TIME, "Imports created before."),
            Parameter(
                "metadata",
                {"type": "object", "additionalProperties": STRING, "minProperties": 1, "maxProperties": 1},
                "Imports with this text in their metadata.",
                is_object=True,
            ),
            Parameter("batch_id", {**TEXT, "maxLength": 64}, "Imports of this batch."),
            Parameter("limit", LIMIT, "Imports of a page."),
            CURSOR,
        ),
        answers={200: json_of("Imports")},
        errors=(*QUERY_ERRORS, "parameter_invalid", "forbidden"),
        sends={200: ("Link",)},
    ),
    Operation(
        "get",
        "/api/v1/albums",
        "listAlbums",
        "Imports",
        "List the albums that have imports, by their ids.",
        "`Link` leads to the next page; a page may be short and have a next one.",
        (Parameter("limit", LIMIT, "Albums of a page."), CURSOR),
        answers={200: json_of("Albums")},
        errors=(*QUERY_ERRORS, "parameter_invalid", "forbidden"),
        sends={200: ("Link",)},
    ),
    Operation(
        "post",
        "/api/v1/imports/preflight",
        "preflightImport",
        "Imports",
        "Say whether an import would succeed, without storing it.",
        bodies={JSON: reference("PreflightParameters"), FORM: reference("PreflightForm")},
        is_body_required=True,
        answers={200: json_of("Preflight")},
        errors=(*CREATE_ERRORS, "too_many_uploads", "disk_full", "disk_unavailable", "file_part_not_supported"),
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}",
        "getImport",
        "Imports",
        "Show an import.",
        parameters=(WAIT,),
        answers={200: json_of("Import")},
        errors=("not_found",),
        sends={200: ("Preference-Applied",)},
    ),
    Operation(
        "delete",
        "/api/v1/imports/{import_id}",
        "deleteImport",
        "Imports",
        "Delete an import with its image.",
        "204 when its bytes are gone, and the quota is freed. 202 where a worker still ends its attempt, or an import "
        "that runs may come to share its image: the bytes go when that has ended. It does not exist from then on.",
        answers={202: json_of("Deletion"), 204: {}},
        errors=("not_found", "forbidden", "image_elsewhere", "image_unavailable", "write_conflict"),
    ),
    Operation(
        "post",
        "/api/v1/imports/{import_id}/cancel",
        "cancelImport",
        "Imports",
        "Cancel an import that is not final.",
        answers={200: json_of("Import")},
        errors=("not_found", "forbidden", "not_cancellable", "write_conflict"),
    ),
    Operation(
        "post",
        "/api/v1/imports/{import_id}/retry",
        "retryImport",
        "Imports",
        "Retry a failed or cancelled import.",
        answers={200: json_of("Import")},
        errors=(
            *("not_found", "forbidden", "not_retryable", "secrets_dropped", "still_stopping", "backlog_full"),
            "write_conflict",
        ),
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}/trace",
        "traceImport",
        "Imports",
        "Show the trace of each attempt at an import.",
        answers={200: json_of("Trace")},
        errors=("not_found",),
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}/events",
        "watchImport",
        "Events",
        "Follow an import to its end, as server-sent events.",
        parameters=(ACCESS_TOKEN, LAST_EVENT),
        answers={200: {"text/event-stream": {}}, 204: {}},
        errors=("not_found", "too_many_streams"),
        sends={200: ("X-Accel-Buffering",)},
    ),
    Operation(
        "get",
        "/api/v1/events",
        "watchAlbums",
        "Events",
        "Follow the imports of an album, or of all, as server-sent events.",
        "Events come in the order in which the database commits the writes. States that follow each other within a "
        "moment may make one event; the last state of an import always makes one. Ids of events are opaque: "
        "`Last-Event-ID` continues after that event. If the database no longer knows the id, the stream starts ten "
        "minutes before it, and repeats some imports. With any other text, the stream starts at the present.",
        parameters=(
            Parameter("album_id", TEXT, "The album."),
            ACCESS_TOKEN,
            LAST_EVENT,
        ),
        answers={200: {"text/event-stream": {}}},
        errors=(*QUERY_ERRORS, "parameter_invalid", "forbidden", "too_many_streams"),
        sends={200: ("X-Accel-Buffering",)},
    ),
    Operation(
        "put",
        "/api/v1/imports/{import_id}/content",
        "sendContent",
        "Uploads",
        "Send the bytes of a waiting import.",
        bodies={"application/octet-stream": BINARY},
        is_body_required=True,
        answers={200: json_of("Import")},
        errors=(
            *("not_found", "forbidden", "content_in_progress", "content_not_expected", "request_body_too_large"),
            *("request_timeout", "quota_exceeded", "unsupported_media_type", "header_invalid", *CONTENT_ERRORS),
        ),
    ),
)
