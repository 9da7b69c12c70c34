"""``application/json`` bodies, parsed strictly: JSON that two parsers could read differently is refused."""

import json
import math
import re
from typing import Any, Final

from ...errors.params import (
    InvalidEncoding,
    JsonDuplicateKey,
    JsonInvalid,
    JsonNotAnObject,
    JsonNumberInvalid,
    ParametersTooDeep,
    TooManyParameters,
    shown,
)
from .limits import ParamLimits
from .nested import Params

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]+|\\.)*"?|[\[\]{}]', re.DOTALL)
_INTEGER_LIMIT = 2**63
_INTEGER_LENGTH = len(str(-_INTEGER_LIMIT))
_NAME_LENGTH = 101


def parse_json(body: bytes, limits: ParamLimits) -> Params:
    """Read a JSON body (RFC 8259), whose root must be an object; an empty body has no parameters, as in Rails.

    Args:
        body: UTF-8 without a byte order mark.
        limits: see ``ParamLimits``; objects and arrays count for ``depth``, their members and elements for ``pairs``.

    Raises:
        InvalidEncoding: not UTF-8, or an escaped surrogate without its other half.
        JsonInvalid: not JSON; the detail says where.
        JsonDuplicateKey, JsonNotAnObject, JsonNumberInvalid: see there.
        ParametersTooDeep, TooManyParameters: beyond the limits.
    """
    if not body:
        return {}
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidEncoding(f"The JSON body is not UTF-8 at byte {error.start}.") from error
    _check_depth(text, limits.depth)
    is_to_check = "\\" in text or _most(text) > limits.pairs
    try:
        try:
            root = _decoded(text, _SOUND)
        except _NotFinite:
            root, is_to_check = _decoded(text, _DECODER), True
    except json.JSONDecodeError as error:
        raise JsonInvalid(f"The body is not JSON at line {error.lineno}, column {error.colno}.") from error
    if not isinstance(root, dict):
        raise JsonNotAnObject("The JSON body must be an object.")
    if is_to_check:
        _check_values(root, limits.pairs)
    return root


def _most(text: str) -> int:
    """As many members and elements as a text can have at most."""
    return text.count(",") + text.count("{") + text.count("[")


def _decoded(text: str, decoder: json.JSONDecoder) -> Any:
    # The decoder passes over white space around the value by two regular expressions.
    if text.startswith("{"):
        root, end = decoder.raw_decode(text)
        if not text[end:].strip(_SPACE):
            return root
    return decoder.decode(text)


def _check_depth(text: str, limit: int) -> None:
    """Refuse deep nesting before the recursive parser sees it.

    As far as the text is valid JSON, this finds the same strings and brackets as the parser, which stops at the first
    fault.
    """
    if text.count("{") + text.count("[") <= limit:
        return  # in whichever order they come
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        piece = match[0]
        if piece in "[{":
            depth += 1
            if depth > limit:
                raise ParametersTooDeep(f"The JSON body is nested deeper than {limit} levels.")
        elif piece in "]}":
            depth -= 1


def _integer(digits: str) -> int | float:
    """The integer, or an infinity if it exceeds 64 bits, which ``_check_values`` refuses by its parameter's name.

    The length is checked first: ``int`` raises on thousands of digits and takes more than linear time.
    """
    if len(digits) > _INTEGER_LENGTH:
        return math.inf
    value = int(digits)
    return value if -_INTEGER_LIMIT <= value < _INTEGER_LIMIT else math.inf


def _object(members: list[tuple[str, Any]]) -> Params:
    result = dict(members)
    if len(result) != len(members):
        seen: set[str] = set()
        for key, _ in members:
            if key in seen:
                raise JsonDuplicateKey(f"The JSON body has the key '{shown(key)}' twice in one object.", parameter=key)
            seen.add(key)
    return result


_SPACE: Final = " \t\r\n"
"""RFC 8259 section 2."""


class _NotFinite(Exception):
    """A number is none that ``_check_values`` lets pass."""


def _finite(number: float) -> int | float:
    if isinstance(number, float) and not math.isfinite(number):
        raise _NotFinite
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer)
_SOUND = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=lambda digits: _finite(_integer(digits)),
    parse_float=lambda digits: _finite(float(digits)),
    parse_constant=lambda name: _finite(float(name)),
)
"""Gives up at a number that is not finite. So without escapes, which alone can write half a surrogate pair, all values
that it reads are sound."""


def _check_values(root: Params, limit: int) -> None:
    """Count members and elements, and check every text and number."""
    count = 0
    waiting: list[tuple[str, Any]] = [("", root)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict | list):
            count += len(value)
            if count > limit:
                raise TooManyParameters(limit)
            waiting.extend(_children(name, value))
        elif isinstance(value, str):
            _check_text(value, name)
        elif isinstance(value, float) and not math.isfinite(value):
            raise JsonNumberInvalid(f"The number '{shown(name)}' is not finite or too large.", parameter=name)


def _children(name: str, container: Params | list[Any]) -> list[tuple[str, Any]]:
    """The values in a container under their names, such as ``a[b][0]``, each cut to what an error may show."""
    if isinstance(container, list):
        return [(f"{name}[{index}]"[:_NAME_LENGTH], value) for index, value in enumerate(container)]
    children = []
    for key, value in container.items():
        _check_text(key, key)
        short = key[:_NAME_LENGTH]
        children.append((f"{name}[{short}]"[:_NAME_LENGTH] if name else short, value))
    return children


def _check_text(text: str, name: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidEncoding(f"The parameter '{shown(name)}' holds a lone surrogate.", parameter=name) from error
