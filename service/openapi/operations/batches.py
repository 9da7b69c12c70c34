"""Operations on batches."""

from collections.abc import Sequence
from typing import Final

from service.batches.items import READERS
from service.openapi.operation import NDJSON, STRING, Operation, json_of

BATCHES: Final[Sequence[Operation]] = (
    Operation(
        "post",
        "/api/v1/imports/batch",
        "createBatch",
        "Batches",
        "Import many images.",
        "Answers while it reads: a line for each item, and one that sums up.",
        bodies={media_type: {} for media_type in READERS},
        is_body_required=True,
        answers={200: {NDJSON: STRING}},
        errors=(
            "unsupported_media_type",
            "request_body_too_large",
            "request_timeout",
            "rate_limited",
            "too_many_uploads",
        ),
    ),
    Operation(
        "get",
        "/api/v1/batches/{batch_id}",
        "getBatch",
        "Batches",
        "Sum a batch up.",
        answers={200: json_of("Batch")},
        errors=("not_found",),
    ),
    Operation(
        "get",
        "/api/v1/batches/{batch_id}/failures",
        "getBatchFailures",
        "Batches",
        "Download what has failed, as a batch that can be posted again.",
        answers={200: {NDJSON: STRING}},
        errors=("not_found",),
    ),
    Operation(
        "post",
        "/api/v1/batches/{batch_id}/retry",
        "retryBatch",
        "Batches",
        "Retry what has failed.",
        answers={200: json_of("Retried")},
        errors=("not_found",),
    ),
)
