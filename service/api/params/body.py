"""A request body of any media type that carries parameters."""

import re
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from multipart import parse_options_header

from ...errors.params import JsonSentAsForm, ParamsError
from .forms import parse_form
from .json_body import parse_json
from .limits import ParamLimits
from .multipart_body import parse_multipart
from .nested import Params

_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})
_JSON_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*(?:\".*)?\}\s*", re.DOTALL)


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
        JsonSentAsForm: the type is that of a form, or missing, and the body is a JSON object.
        ParamsError: what the parser of the media type raises.
    """
    if not body:
        return {}
    match check_encoding(content_type, content_encoding):
        case "application/x-www-form-urlencoded" | "":
            if _is_json_object(body):
                raise JsonSentAsForm
            return parse_form(body, limits)
        case "multipart/form-data":
            return parse_multipart(body, content_type, limits)
        case "application/json":
            return parse_json(body, limits)
        case _:
            raise UnsupportedMediaType


def _is_json_object(body: bytes) -> bool:
    """Whether a form is a JSON object, as far as its ends tell: JSON with a slip in it is no form either.

    Forms escape braces and quotes (WHATWG URL section 5.2), so that none begins and ends like this. A URL in the JSON
    may hold ``&`` and ``=``, which look like pairs; only a body that is one escaped pair is decoded before.
    """
    if b"&" not in body and body.lstrip(b" +\t\r\n")[:3].lower() == b"%7b":
        body = unquote_to_bytes(body.replace(b"+", b" ")).removesuffix(b"=")
    return _JSON_OBJECT.fullmatch(body) is not None


def check_encoding(content_type: str, content_encoding: str) -> str:
    """The media type of a body.

    Raises:
        UnsupportedMediaType: another character set than UTF-8, or a content encoding.
    """
    media_type, charset = _read(content_type)
    if is_encoded(content_encoding) or charset not in _UTF8:
        raise UnsupportedMediaType
    return media_type


def is_encoded(content_encoding: str) -> bool:
    """Whether a ``Content-Encoding`` says that a body is not as it is."""
    return content_encoding.lower() not in ("", "identity")


def media_type_of(content_type: str) -> str:
    """The media type that a ``Content-Type`` names, in lower case; empty where it names none."""
    return _read(content_type)[0]


@lru_cache(32)
def _read(content_type: str) -> tuple[str, str]:
    """Media type and character set, in lower case. Clients have few of them, and send them with each request."""
    media_type, options = parse_options_header(content_type)
    return str(media_type), options.get("charset", "utf-8").lower()
