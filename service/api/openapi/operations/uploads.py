"""Operations on resumable uploads."""

from collections.abc import Sequence
from typing import Final

from ..declaration import STRING, Operation, Parameter, Schema, reference
from .common import BINARY, CONTENT_ERRORS, CREATE_ERRORS, KEY, TUS

_UPLOAD: Final = "/api/v1/uploads/{upload_id}"
_OFFSET: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
_CHECKSUM: Final[Schema] = {"type": "string", "examples": ["sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="]}
_HERE: Final = ("Tus-Resumable", "Upload-Offset", "Upload-Expires", "X-Import-Id")
_VERSION: Final = {412: ("Tus-Version",)}
_ABILITIES: Final = ("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm")
UPLOADS: Final[Sequence[Operation]] = (
    Operation(
        "post",
        "/api/v1/uploads",
        "createUpload",
        "Uploads",
        "Create a resumable upload (tus 1.0).",
        parameters=(
            TUS,
            Parameter("Upload-Length", reference("UploadLength"), "Bytes of the image.", "header", is_required=True),
            Parameter("Upload-Metadata", STRING, "Parameters of the import.", "header"),
            Parameter("Idempotency-Key", KEY, "The same key makes one upload.", "header"),
            Parameter("Upload-Checksum", _CHECKSUM, "The checksum of the bytes in this request.", "header"),
        ),
        bodies={"application/offset+octet-stream": BINARY},
        answers={201: {}},
        errors=(
            *("header_invalid", "tus_version_unsupported", "upload_metadata_invalid", *CREATE_ERRORS),
            *("upload_content_type", "upload_locked", "upload_checksum_mismatch", "content_in_progress"),
            *("content_not_expected", "upload_room_full", *CONTENT_ERRORS),
            *("idempotency_key_invalid", "idempotency_in_progress", "idempotency_key_reused", "import_deleted"),
            *("upload_gone", "upload_offset_mismatch"),
        ),
        sends={**_VERSION, 201: ("Idempotent-Replayed",)},
        keeps=(*_HERE, "Location"),
    ),
    Operation(
        "options",
        "/api/v1/uploads",
        "describeUploads",
        "Uploads",
        "Show the supported versions and extensions of the tus protocol.",
        answers={204: {}},
        is_open=True,
        sends={204: _ABILITIES},
        keeps=("Tus-Resumable",),
    ),
    Operation(
        "head",
        _UPLOAD,
        "getUploadOffset",
        "Uploads",
        "Show the offset of an upload.",
        parameters=(TUS,),
        answers={200: {}},
        errors=(
            *("not_found", "forbidden", "upload_gone", "tus_version_unsupported", "content_in_progress"),
            *("content_not_expected", *CONTENT_ERRORS),
        ),
        sends={**_VERSION, 200: ("Upload-Length",)},
        keeps=_HERE,
    ),
    Operation(
        "patch",
        _UPLOAD,
        "continueUpload",
        "Uploads",
        "Send bytes of an upload.",
        parameters=(
            TUS,
            Parameter("Upload-Offset", _OFFSET, "The offset of the upload.", "header", is_required=True),
            Parameter("Upload-Checksum", _CHECKSUM, "The checksum of these bytes: `sha1 BASE64`.", "header"),
        ),
        bodies={"application/offset+octet-stream": BINARY},
        is_body_required=True,
        answers={204: {}},
        errors=(
            *("not_found", "forbidden", "upload_gone", "tus_version_unsupported", "header_invalid"),
            *("upload_content_type", "upload_offset_mismatch", "upload_locked", "upload_checksum_mismatch"),
            *("request_body_too_large", "request_timeout", "content_in_progress", "content_not_expected"),
            *("upload_room_full", *CONTENT_ERRORS),
        ),
        sends=_VERSION,
        keeps=_HERE,
    ),
    Operation(
        "delete",
        _UPLOAD,
        "terminateUpload",
        "Uploads",
        "End an upload before it is complete.",
        parameters=(TUS,),
        answers={204: {}},
        errors=(
            *("not_found", "forbidden", "upload_gone", "upload_locked", "tus_version_unsupported", "not_cancellable"),
            "disk_unavailable",
            "write_conflict",
        ),
        sends=_VERSION,
        keeps=("Tus-Resumable",),
    ),
    Operation(
        "options",
        _UPLOAD,
        "describeUpload",
        "Uploads",
        "Show the supported versions and extensions of the tus protocol.",
        answers={204: {}},
        is_open=True,
        sends={204: _ABILITIES},
        keeps=("Tus-Resumable",),
    ),
)
