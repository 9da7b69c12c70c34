"""Compact JSON: no spaces, and text as it is. Answers, documents and limits are in these very bytes."""

import json
from collections.abc import Callable
from json import encoder
from typing import Any


def _unknown(value: Any) -> Any:
    raise TypeError(f"a {type(value).__name__} is no JSON")


def compact(*, default: Callable[[Any], Any] = _unknown, allow_nan: bool = True) -> Callable[[Any], str]:
    """A function that writes a value as ``json.dumps`` with ``ensure_ascii=False`` and the separators ``,`` and ``:``.

    It is made once: ``JSONEncoder.encode`` makes an encoder of C for each value, which costs more than to write a small
    value. A value that contains itself ends in a ``RecursionError``.

    Args:
        default: makes JSON of other values.
        allow_nan: whether numbers that JSON does not know are written; otherwise they raise ``ValueError``.
    """
    make: Any = getattr(encoder, "c_make_encoder", None)
    if make is None:  # another interpreter
        separators = (",", ":")
        return json.JSONEncoder(
            ensure_ascii=False, separators=separators, default=default, allow_nan=allow_nan, check_circular=False
        ).encode
    pieces = make(None, default, encoder.encode_basestring, None, ":", ",", False, False, allow_nan)
    return lambda value: "".join(pieces(value, 0))
