"""Query strings and ``application/x-www-form-urlencoded`` bodies."""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from ...errors.params import InvalidEncoding, TooManyParameters, shown
from .limits import ParamLimits
from .nested import Params, store

_SEPARATOR = re.compile(rb"& *")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def parse_query(query: str | bytes, limits: ParamLimits) -> Params:
    """Read a query string, without its ``?``, as ``Rack::QueryParser#parse_nested_query`` does.

    Pairs are separated by ``&`` alone, spaces after it are skipped, ``+`` is a space, and escapes are decoded before
    brackets are looked for. Unlike Rack and like Rails, text that is not UTF-8 is refused.

    Args:
        query: octets, or a ``str`` of octets decoded as Latin-1, which is what Tornado's ``request.query`` holds.
        limits: see ``ParamLimits``. Empty pairs count as pairs.

    Raises:
        InvalidEncoding: a bad ``%`` escape, or a name or value that is not UTF-8.
        ParameterConflict: see ``nested.store``.
        ParametersTooDeep, TooManyParameters: beyond the limits.
    """
    if isinstance(query, str):
        try:
            query = query.encode("latin-1")
        except UnicodeEncodeError as error:
            raise InvalidEncoding("The query string holds characters that are not escaped.") from error
    return _parse(query, limits)


def parse_form(body: bytes, limits: ParamLimits) -> Params:
    """Read an ``application/x-www-form-urlencoded`` body, by the rules and with the errors of ``parse_query``.

    One NUL at the end is dropped, as Rack does for old WebKit clients that append it.
    """
    return _parse(body.removesuffix(b"\0"), limits)


def _parse(text: bytes, limits: ParamLimits) -> Params:
    params: Params = {}
    for name, value in _pairs(text, limits.pairs):
        store(params, name, value, limits)
    return params


def _pairs(text: bytes, limit: int) -> Iterator[tuple[str, str | None]]:
    """The decoded pairs in order; the value of a pair without ``=`` is None."""
    pieces = _SEPARATOR.split(text, maxsplit=limit)
    if len(pieces) > limit:
        raise TooManyParameters(limit)
    for piece in pieces:
        if piece:
            name, equals, value = piece.partition(b"=")
            yield _unescape(name, name), _unescape(value, name) if equals else None


def _unescape(text: bytes, name: bytes) -> str:
    """Decode ``+``, ``%`` escapes and UTF-8; ``name`` is the pair's name as sent, for the error."""
    text = text.replace(b"+", b" ")
    if b"%" in text:  # most have none
        if _BAD_ESCAPE.search(text):
            raise _invalid(name)
        text = unquote_to_bytes(text)
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(name) from error


def _invalid(name: bytes) -> InvalidEncoding:
    parameter = name.decode("ascii", "backslashreplace")
    return InvalidEncoding(f"The parameter '{shown(parameter)}' is not valid %-encoded UTF-8.", parameter=parameter)
