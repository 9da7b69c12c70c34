"""Faults in a request's parameters: one exception tree, each class with a stable code and an HTTP status."""

from http import HTTPStatus
from typing import ClassVar

_SHOWN_LENGTH = 100


def shown(name: str) -> str:
    """A parameter's name for an error: at most 100 characters, with unprintable characters escaped."""
    escaped = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name[:_SHOWN_LENGTH]
    )
    return escaped if len(name) <= _SHOWN_LENGTH else f"{escaped}…"


class ParamsError(Exception):
    """Base of the errors of the parsers.

    Args:
        detail: the sentence for clients; it never contains a parameter's value.
        parameter: name of the parameter at fault as sent, or None if no single parameter is.

    Attributes:
        code: stable, for programs.
        status: HTTP status of the answer.
        parameter: the name for clients (see ``shown``), or None.
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


class JsonSentAsForm(ParamsError):
    """The body is a JSON object, and its type says that it is a form: ``curl -d`` sends that type by itself."""

    code = "json_sent_as_form"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE

    def __init__(self) -> None:
        super().__init__(
            "The request body is JSON, but its Content-Type says that it is a form. Send it with the header"
            " 'Content-Type: application/json'."
        )


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
    """The fields of a body exceed the limit for a body without a file."""

    code = "request_body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, limit: int) -> None:
        super().__init__(f"The fields of the request body are larger than {limit} bytes.")


class FilePartNotSupported(ParamsError):
    """A part has an unexpected file: a second file, or one under another name than ``file``."""

    code = "file_part_not_supported"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
