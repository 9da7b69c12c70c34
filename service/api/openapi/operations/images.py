"""Operations on images."""

from collections.abc import Sequence
from typing import Final

from ....images.thumbnails.thumbnails import SIDES
from ..declaration import STRING, Operation, Parameter, json_of
from .common import BINARY, QUERY_ERRORS

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
    Operation(
        "get",
        "/api/v1/images/{image_id}/thumbnail",
        "getImageThumbnail",
        "Images",
        "Get a thumbnail of an image.",
        "Of the first frame, upright, in sRGB and without metadata; never larger than the image. WebP where `Accept` "
        "names or prefers it, JPEG otherwise.",
        (
            Parameter(
                "size",
                {"type": "string", "enum": list(SIDES), "default": "medium"},
                f"Pixels of the longest side: {', '.join(f'{name} {side}' for name, side in SIDES.items())}.",
            ),
            Parameter("Accept", STRING, "The media types that the client accepts.", "header"),
            Parameter("If-None-Match", STRING, "The entity tags that the client knows.", "header"),
        ),
        answers={200: {"image/webp": BINARY, "image/jpeg": BINARY}, 304: {}},
        errors=(
            *QUERY_ERRORS,
            *("parameter_invalid", "not_found", "forbidden", "image_deleted", "precondition_failed"),
            *("image_lost", "image_elsewhere", "image_unavailable", "disk_full", "disk_unavailable"),
            *("thumbnails_off", "too_many_thumbnails", "thumbnail_unavailable"),
            *("not_an_image", "image_corrupt", "image_too_complex", "format_not_allowed", "image_not_supported"),
            *("side_too_long", "too_many_pixels", "too_many_frames"),
        ),
        sends={200: ("ETag", "Content-Security-Policy"), 304: ("ETag", "Content-Security-Policy")},
    ),
)
