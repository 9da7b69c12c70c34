"""A request body of any media type that carries parameters."""

from http import HTTPStatus

from multipart import parse_options_header

from ...errors.params import ParamsError
from .forms import parse_form
from .json_body import parse_json
from .limits import ParamLimits
from .multipart_body import parse_multipart
from .nested import Params

_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


class UnsupportedMediaType(ParamsError):
    """The body is of a kind that parameters cannot be read from (RFC 9110 section 15.5.16)."""

    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE

    def __init__(self) -> None:
        super().__init__(
            "The request body must be application/x-www-form-urlencoded, multipart/form-data or application/json,"
            " in UTF-8, without a content encoding."
        )


def parse_body(body: bytes, content_type: str, content_encoding: str, limits: ParamLimits) -> Params:
    """Read the parameters of a body by its ``Content-Type``; an empty body has none, whatever its type.

    Args:
        body: the whole body.
        content_type: the header's value, or the empty string: as in Rack, a body without a type is a form.
        content_encoding: the header's value, or the empty string; only ``identity`` is read.
        limits: see ``ParamLimits``.

    Raises:
        UnsupportedMediaType: another media type, character set or content encoding.
        ParamsError: what the parser of the media type raises.
    """
    if not body:
        return {}
    match check_encoding(content_type, content_encoding):
        case "application/x-www-form-urlencoded" | "":
            return parse_form(body, limits)
        case "multipart/form-data":
            return parse_multipart(body, content_type, limits)
        case "application/json":
            return parse_json(body, limits)
        case _:
            raise UnsupportedMediaType


def check_encoding(content_type: str, content_encoding: str) -> str:
    """The media type of a body.

    Raises:
        UnsupportedMediaType: another character set than UTF-8, or a content encoding.
    """
    media_type, options = parse_options_header(content_type)
    if is_encoded(content_encoding) or options.get("charset", "utf-8").lower() not in _UTF8:
        raise UnsupportedMediaType
    return str(media_type)


def is_encoded(content_encoding: str) -> bool:
    """Whether a ``Content-Encoding`` says that a body is not as it is."""
    return content_encoding.lower() not in ("", "identity")


def media_type_of(content_type: str) -> str:
    """The media type that a ``Content-Type`` names, in lower case; empty where it names none."""
    return str(parse_options_header(content_type)[0])
