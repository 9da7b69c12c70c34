"""Operations on batches."""

from collections.abc import Sequence
from typing import Final

from ...params.items import READERS
from ..declaration import JSON, NDJSON, STRING, Operation, Parameter, json_of
from .common import KEY, QUERY_ERRORS

_ARRAY: Final = {"type": "array"}
BATCHES: Final[Sequence[Operation]] = (
    Operation(
        "post",
        "/api/v1/imports/batch",
        "createBatch",
        "Batches",
        "Import many images.",
        "Answers while it reads: a line for each item, and a summary. With an `Idempotency-Key`, a"
        " client can send an interrupted batch again, unchanged: Lading repeats the answers for accepted items"
        " (`replayed`).",
        parameters=(Parameter("Idempotency-Key", KEY, "One key for all items of the batch.", "header"),),
        bodies={media_type: _ARRAY if media_type == JSON else STRING for media_type in READERS},
        is_body_required=True,
        answers={200: {NDJSON: STRING}},
        errors=(
            "idempotency_key_invalid",
            "unsupported_media_type",
            "request_body_too_large",
            "request_timeout",
            "rate_limited",
            "too_many_uploads",
            "disk_full",
            "disk_unavailable",
        ),
        sends={200: ("X-Batch-Id", "Location")},
    ),
    Operation(
        "get",
        "/api/v1/batches/{batch_id}",
        "getBatch",
        "Batches",
        "Show the summary of a batch.",
        answers={200: json_of("Batch")},
        errors=("not_found",),
    ),
    Operation(
        "get",
        "/api/v1/batches/{batch_id}/failures",
        "getBatchFailures",
        "Batches",
        "Download the failed items, as a batch that can be posted again.",
        answers={200: {NDJSON: STRING}},
        errors=("not_found", *QUERY_ERRORS, "parameter_invalid"),
    ),
    Operation(
        "post",
        "/api/v1/batches/{batch_id}/retry",
        "retryBatch",
        "Batches",
        "Retry the failed imports.",
        answers={200: json_of("Retried")},
        errors=("not_found",),
    ),
)
