"""Request parameters: nested as Rack 3 reads them, from the query string and from form, multipart and JSON bodies.

Pure functions over bytes that the caller has already bounded; their work is linear in the input. They return plain
``dict``, ``list``, ``str`` and ``None`` (from JSON also ``int``, ``float`` and ``bool``), in the order sent, and raise
nothing but ``ParamsError``.

Nothing is dropped from what was sent. In particular ``tags[]`` is ``{"tags": [None]}`` and JSON ``[null]`` stays, as
in Rack. Rails removes nulls from arrays (``config.action_dispatch.perform_deep_munge``; Rails security guide, "Unsafe
Query Generation"), which shields ActiveRecord's queries and has no use where parameters are only kept and echoed.

It may use ``errors`` and the items of batches, and knows neither handlers nor what a parameter means.
Begin with ``body``, which picks the parser; ``nested`` has Rack's rules.
"""

from ...errors.params import (
    FilePartNotSupported,
    InvalidEncoding,
    JsonDuplicateKey,
    JsonInvalid,
    JsonNotAnObject,
    JsonNumberInvalid,
    MultipartInvalid,
    ParameterConflict,
    ParametersTooDeep,
    ParamsError,
    TooManyParameters,
)
from .forms import parse_form, parse_query
from .json_body import parse_json
from .limits import ParamLimits
from .multipart_body import parse_multipart
from .nested import Params

__all__ = [
    "FilePartNotSupported",
    "InvalidEncoding",
    "JsonDuplicateKey",
    "JsonInvalid",
    "JsonNotAnObject",
    "JsonNumberInvalid",
    "MultipartInvalid",
    "ParamLimits",
    "ParameterConflict",
    "ParametersTooDeep",
    "Params",
    "ParamsError",
    "TooManyParameters",
    "merge",
    "parse_form",
    "parse_json",
    "parse_multipart",
    "parse_query",
]


def merge(query: Params, body: Params) -> Params:
    """The parameters of a request, as Rails' ``ActionDispatch::Http::Parameters#parameters`` merges them.

    The body's keys come first, in their order, then those that only the query string has. Where both have a top-level
    key, the query string's value stands whole, in the body's place; nothing is merged below the top level.
    """
    return {**body, **query}
