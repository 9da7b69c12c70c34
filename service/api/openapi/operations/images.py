"""Operations on images."""

from collections.abc import Sequence
from typing import Final

from ..declaration import STRING, Operation, Parameter, json_of
from .common import BINARY

_BYTES: Final = ("ETag", "Last-Modified", "Content-Security-Policy")
IMAGES: Final[Sequence[Operation]] = (
    Operation(
        "get",
        "/api/v1/images/{image_id}",
        "getImage",
        "Images",
        "Show an image's document.",
        answers={200: json_of("Image")},
        errors=("not_found", "image_deleted"),
    ),
    Operation(
        "delete",
        "/api/v1/images/{image_id}",
        "deleteImage",
        "Images",
        "Delete an image.",
        "204 when its bytes are gone, and the quota is freed; where other imports share them, the last deletion "
        "removes them. 202 while an import that still runs may come to share them: they go when it has ended.",
        answers={202: json_of("Deletion"), 204: {}},
        errors=("not_found", "forbidden", "image_elsewhere", "image_unavailable", "write_conflict"),
    ),
    Operation(
        "get",
        "/api/v1/images/{image_id}/content",
        "getImageContent",
        "Images",
        "Get the bytes of an image.",
        "Ranges and conditions are those of RFC 9110.",
        (
            Parameter("Range", STRING, "The requested parts of the image.", "header"),
            Parameter("If-None-Match", STRING, "The entity tags that the client knows.", "header"),
        ),
        answers={200: {"*/*": BINARY}, 206: {"*/*": BINARY}, 302: {}, 304: {}},
        errors=(
            *("not_found", "forbidden", "image_deleted", "precondition_failed", "range_not_satisfiable"),
            *("image_lost", "image_elsewhere", "image_unavailable", "too_many_downloads"),
        ),
        sends={
            200: (*_BYTES, "Accept-Ranges", "Content-Disposition"),
            206: (*_BYTES, "Content-Range", "Content-Disposition"),
            302: ("Location",),
            304: _BYTES,
            416: ("Content-Range",),
        },
    ),
)
