"""What the queries of all lists have in common: the length of a page, and no parameter that nothing reads."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from .catalogue import ApiError

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
_NUMBER: Final = re.compile(r"[0-9]{1,4}")


def limit_of(params: Mapping[str, Any]) -> int:
    """How many entries a page of a list has, 1 to ``MAX_LIMIT``: the parameter ``limit``, or ``DEFAULT_LIMIT``.

    Raises:
        ApiError: ``parameter_invalid``.
    """
    value = params.get("limit", str(DEFAULT_LIMIT))
    if not isinstance(value, str) or not _NUMBER.fullmatch(value) or not 1 <= int(value) <= MAX_LIMIT:
        raise ApiError("parameter_invalid", parameter="limit", reason=f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(value)


def refuse_unknown(params: Iterable[str], known: Collection[str], owner: str) -> None:
    """Check the names of parameters: ignoring one would show another list than the client asked for.

    Args:
        params: the names in a request.
        known: the names that are read.
        owner: of the parameters, for the error's text, such as ``this list``.

    Raises:
        ApiError: ``parameter_invalid``, naming the first unknown parameter.
    """
    for name in params:
        if name not in known:
            told = f"the parameters of {owner} are {', '.join(known)}" if known else f"{owner} has no parameters"
            raise ApiError("parameter_invalid", parameter=name, reason=f"is unknown; {told}")
