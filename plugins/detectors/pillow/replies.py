"""Reads the answers of the processes that decode, which a hostile image may have taken over: nothing in an answer is
believed unchecked.
"""

from base64 import b64decode
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar, cast

from pydantic import BaseModel, Field

from ...contracts import ImageInfo
from ...errors import (
    DetectError,
    DetectorCrashed,
    FormatNotAllowed,
    ImageCorrupt,
    ImageNotSupported,
    ImageTooComplex,
    NotAnImage,
    SideTooLong,
    TooManyFrames,
    TooManyPixels,
)
from .formats import CONTENT_TYPES
from .limits import MAX_ANSWER, MAX_INTERNAL, Placeholder
from .structure.directories import ORIENTATIONS
from .structure.inspection import NOTES

_REFUSALS: dict[str, type[DetectError]] = {
    error.code: error
    for error in (
        NotAnImage,
        FormatNotAllowed,
        ImageCorrupt,
        ImageNotSupported,
        TooManyPixels,
        SideTooLong,
        TooManyFrames,
        ImageTooComplex,
    )
}

_THUMBNAIL_HEADS: Final = {"image/webp": (b"WEBP", 8), "image/jpeg": (b"\xff\xd8\xff", 0)}
"""By media type, the bytes by which its files are told, and their offset."""
_Result = TypeVar("_Result", ImageInfo, bytes, Placeholder)


class _Refusal(BaseModel):
    code: str
    internal: Annotated[str, Field(max_length=MAX_INTERNAL)]
    facts: dict[Literal["limit", "format", "resource", "reason"], int | Annotated[str, Field(max_length=200)]]


class _Placeholder(BaseModel):
    color: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")] | None
    thumbhash: Annotated[str, Field(pattern="^[A-Za-z0-9+/]{8,40}={0,2}$")]


class _Reply(BaseModel):
    """The answer of a child, of which one part is given."""

    recognised: ImageInfo | None = None
    thumbnail: Annotated[str, Field(max_length=MAX_ANSWER)] | None = None
    placeholder: _Placeholder | None = None
    refused: _Refusal | None = None
    unreadable: Annotated[str, Field(max_length=MAX_INTERNAL)] | None = None


def recognised_in(reply: bytes, formats: tuple[str, ...]) -> ImageInfo:
    """What a child has recognised, as one of the formats.

    Raises:
        DetectError: the child has refused the image, or its answer is nonsense.
    """
    return _told(reply, lambda answer: answer.recognised and _checked(answer.recognised, formats))


def thumbnail_in(reply: bytes, content_type: str) -> bytes:
    """The thumbnail that a child has made. Raises as ``recognised_in``."""
    return _told(reply, lambda answer: answer.thumbnail and _decoded(answer.thumbnail, content_type))


def placeholder_in(reply: bytes) -> Placeholder:
    """The placeholder that a child has made. Raises as ``recognised_in``."""
    return _told(reply, lambda answer: _placeholder(answer.placeholder))


def _told(reply: bytes, result_of: Callable[[_Reply], _Result | Literal[""] | None]) -> _Result:
    try:
        answer = _Reply.model_validate_json(reply, strict=True)
        result = result_of(answer)
        if result:
            return result
        error = _error(answer)
    except (ValueError, KeyError) as fault:
        raise DetectorCrashed("the process answered nonsense") from fault
    raise error


def _decoded(thumbnail: str, content_type: str) -> bytes:
    content = b64decode(thumbnail, validate=True)
    head, offset = _THUMBNAIL_HEADS[content_type]
    if not content.startswith(head, offset):
        raise ValueError("no thumbnail of that type")
    return content


def _placeholder(made: _Placeholder | None) -> Placeholder | None:
    return None if made is None else Placeholder(made.color, made.thumbhash)


def _checked(info: ImageInfo, formats: tuple[str, ...]) -> ImageInfo:
    if info.format not in formats or info.content_type not in CONTENT_TYPES[info.format]:
        raise ValueError("a format that is not allowed")
    if min(info.width, info.height, info.frames) < 1:
        raise ValueError("an empty image")
    if info.orientation not in ORIENTATIONS or not NOTES.issuperset(info.notes):
        raise ValueError("an unknown orientation or note")
    return info


def _error(answer: _Reply) -> DetectError:
    if answer.unreadable is not None:
        return DetectorCrashed(f"the file cannot be read: {answer.unreadable}")
    if answer.refused is None:
        raise ValueError("an empty answer")
    facts = cast("dict[str, Any]", answer.refused.facts)
    error = _REFUSALS[answer.refused.code](answer.refused.internal, **facts)
    _ = error.detail  # a missing fact shows here
    return error
