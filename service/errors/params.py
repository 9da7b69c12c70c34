"""What is wrong with a request's parameters: one exception tree, each class with a stable code and an HTTP status."""

from http import HTTPStatus
from typing import ClassVar

_SHOWN_LENGTH = 100


def shown(name: str) -> str:
    """A parameter's name as an error may show it: at most 100 characters of it, what is not printable escaped."""
    escaped = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name[:_SHOWN_LENGTH]
    )
    return escaped if len(name) <= _SHOWN_LENGTH else f"{escaped}…"


class ParamsError(Exception):
    """Base of everything that the parsers raise.

    Args:
        detail: the sentence a client may read; it never holds a parameter's value.
        parameter: name of the parameter at fault as sent, or None where no single one is.

    Attributes:
        code: stable, for programs.
        status: HTTP status of the answer.
        parameter: the name as it may be shown (see ``shown``), or None.
    """

    code: ClassVar[str]
    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST

    def __init__(self, detail: str, *, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.parameter = None if parameter is None else shown(parameter)


class InvalidEncoding(ParamsError):
    """A bad ``%`` escape, bytes that are not UTF-8, or a lone surrogate."""

    code = "params_invalid_encoding"


class ParameterConflict(ParamsError):
    """One parameter is used as a value and as a container, or as two kinds of container."""

    code = "params_conflict"

    def __init__(self, parameter: str, key: str, expected: str) -> None:
        super().__init__(
            f"The parameter '{shown(parameter)}' needs '{shown(key)}' to be {expected}, but it is not.",
            parameter=parameter,
        )


class ParametersTooDeep(ParamsError):
    code = "params_too_deep"


class TooManyParameters(ParamsError):
    code = "params_too_many"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request has more than {limit} parameters in one place.")


class JsonInvalid(ParamsError):
    """The body is not JSON (RFC 8259)."""

    code = "json_invalid"


class JsonNotAnObject(ParamsError):
    code = "json_not_an_object"


class JsonDuplicateKey(ParamsError):
    """An object names one member twice, which readers of JSON disagree about (RFC 8259 section 4)."""

    code = "json_duplicate_key"


class JsonNumberInvalid(ParamsError):
    """``NaN``, an infinity, a float beyond IEEE 754 binary64, or an integer beyond 64 bits (RFC 8259 section 6)."""

    code = "json_number_invalid"


class MultipartInvalid(ParamsError):
    """The body is not ``multipart/form-data`` (RFC 7578)."""

    code = "multipart_invalid"


class ParamsTooLarge(ParamsError):
    """The fields of a body are larger than a body without a file may be."""

    code = "request_body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, limit: int) -> None:
        super().__init__(f"The fields of the request body are larger than {limit} bytes.")


class FilePartNotSupported(ParamsError):
    """A part brings a file that is not wanted: a second one, or one under another name than ``file``."""

    code = "file_part_not_supported"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
