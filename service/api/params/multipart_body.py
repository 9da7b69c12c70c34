"""``multipart/form-data`` bodies (RFC 7578): their fields."""

import re
from collections.abc import Iterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from ...errors.params import FilePartNotSupported, InvalidEncoding, MultipartInvalid, TooManyParameters, shown
from .limits import ParamLimits
from .nested import Params, store

MAX_HEADERS = 8
MAX_HEADER_BYTES = 4096
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046 section 5.1.1."""
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def parse_multipart(body: bytes, content_type: str, limits: ParamLimits) -> Params:
    """Read the fields of a ``multipart/form-data`` body; their names nest as in a form.

    A part with an empty file name, which is a browser's file input with nothing chosen, is skipped, as in Rack. An
    empty body has no parameters.

    Args:
        body: the whole body.
        content_type: the request's ``Content-Type``, which names the boundary.
        limits: see ``ParamLimits``; every part counts for ``pairs``.

    Raises:
        MultipartInvalid: another media type, no usable boundary, or a malformed or incomplete body.
        FilePartNotSupported: a part has a file name.
        InvalidEncoding: a field that is not UTF-8, or that says it has another encoding.
        ParameterConflict: see ``nested.store``.
        ParametersTooDeep, TooManyParameters: beyond the limits.
    """
    boundary = boundary_of(content_type)
    params: Params = {}
    if body:
        for segment, content in _parts(body, boundary, limits.pairs):
            if segment.filename != "":
                store(params, segment.name, text_of(segment, content), limits)
    return params


def boundary_of(content_type: str) -> str:
    """The boundary that a ``Content-Type`` names.

    Raises:
        MultipartInvalid: another media type, or no usable boundary.
    """
    media_type, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if media_type != "multipart/form-data" or not _BOUNDARY.fullmatch(boundary):
        raise MultipartInvalid("The Content-Type must be multipart/form-data with a boundary of 1 to 70 characters.")
    return str(boundary)


def _parts(body: bytes, boundary: str, limit: int) -> Iterator[tuple[MultipartSegment, bytes]]:
    """The parts in order, each with its whole content; a part with a file is refused before its content is read."""
    count = 0
    content: list[bytes] = []
    parser = PushMultipartParser(
        boundary,
        content_length=len(body),
        max_header_count=MAX_HEADERS,
        max_header_size=MAX_HEADER_BYTES,
        max_segment_size=len(body),
        strict=True,
    )
    try:
        with parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    count += 1
                    _check_part(event, count, limit)
                    segment, content = event, []
                elif event is None:
                    yield segment, b"".join(content)
                else:
                    content.append(event)
    except MultipartError as error:
        raise MultipartInvalid("The body is not well-formed multipart/form-data.") from error


def _check_part(segment: MultipartSegment, count: int, limit: int) -> None:
    if count > limit:
        raise TooManyParameters(limit)
    if segment.filename:
        raise FilePartNotSupported(
            f"The parameter '{shown(segment.name)}' is a file; only fields are accepted.", parameter=segment.name
        )


def text_of(segment: MultipartSegment, content: bytes) -> str:
    """The text of a field.

    Raises:
        InvalidEncoding: it is not UTF-8, or declares another encoding.
    """
    if (segment.charset or "utf-8").lower() not in _CHARSETS:
        raise _invalid(segment)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(segment) from error


def _invalid(segment: MultipartSegment) -> InvalidEncoding:
    return InvalidEncoding(f"The parameter '{shown(segment.name)}' is not UTF-8.", parameter=segment.name)
