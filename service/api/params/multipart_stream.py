"""``multipart/form-data`` with one file (RFC 7578), parsed while it comes: fields are kept, the file is passed on."""

from collections.abc import Iterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from ...errors.params import FilePartNotSupported, MultipartInvalid, ParamsTooLarge, TooManyParameters, shown
from .limits import ParamLimits
from .multipart_body import MAX_HEADER_BYTES, MAX_HEADERS, boundary_of, text_of
from .nested import Params, store

FILE = "file"
"""Name of the part that may contain a file."""


class MultipartStream:
    """Reads a body piece by piece.

    Args:
        content_type: the request's ``Content-Type``, which names the boundary.
        limits: see ``ParamLimits``; every part counts for ``pairs``.
        max_field_bytes: size of all fields together.

    Attributes:
        params: the fields, as ``parse_multipart`` reads them; complete when ``end`` has returned.
        filename: of the file, as its sender names it; None until there is one.

    Raises:
        MultipartInvalid: another media type, or no usable boundary.
    """

    def __init__(self, content_type: str, limits: ParamLimits, max_field_bytes: int) -> None:
        self.params: Params = {}
        self.filename: str | None = None
        self._limits = limits
        self._max_field_bytes = max_field_bytes
        self._field_bytes = 0
        self._count = 0
        self._segment: MultipartSegment | None = None
        self._content: list[bytes] = []
        self._parser = PushMultipartParser(
            boundary_of(content_type),
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
            strict=True,
        )

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Read a piece of the body; to be iterated to its end.

        Returns:
            the bytes of the file that it holds.

        Raises:
            MultipartInvalid: the body is malformed.
            FilePartNotSupported: a second file, or one under another name.
            ParamsTooLarge: the fields are larger than ``max_field_bytes``.
            ParamsError: see ``parse_multipart``.
        """
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is None:
                    self._end_part()
                elif self._is_file:
                    yield bytes(event)
                else:
                    self._keep(bytes(event))
        except MultipartError as error:
            raise MultipartInvalid("The body is not well-formed multipart/form-data.") from error

    def end(self) -> None:
        """The body has ended.

        Raises:
            MultipartInvalid: it is incomplete.
        """
        try:
            self._parser.close()
        except MultipartError as error:
            raise MultipartInvalid("The body is not well-formed multipart/form-data.") from error

    @property
    def _is_file(self) -> bool:
        return self._segment is not None and bool(self._segment.filename)

    def _begin(self, segment: MultipartSegment) -> None:
        self._count += 1
        if self._count > self._limits.pairs:
            raise TooManyParameters(self._limits.pairs)
        if segment.filename:
            if segment.name != FILE or self.filename is not None:
                raise FilePartNotSupported(
                    f"The parameter '{shown(segment.name)}' is a file; a request may have one file, named '{FILE}'.",
                    parameter=segment.name,
                )
            self.filename = segment.filename
        self._segment, self._content = segment, []

    def _keep(self, content: bytes) -> None:
        self._field_bytes += len(content)
        if self._field_bytes > self._max_field_bytes:
            raise ParamsTooLarge(self._max_field_bytes)
        self._content.append(content)

    def _end_part(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None and segment.filename is None:
            store(self.params, segment.name, text_of(segment, b"".join(self._content)), self._limits)
