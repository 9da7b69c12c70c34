"""Bracketed parameter names, expanded exactly as ``Rack::QueryParser#normalize_params`` of Rack 3.2 does.

Clients rely on Rack's reading of odd names, so this keeps its corner cases: a name's leading bracket is plain text,
``foo[`` is a name of its own, and ``x[][a]=1&x[][]=2`` loses the second value.
"""

import re
from dataclasses import dataclass
from typing import Any

from ...errors.params import ParameterConflict, ParametersTooDeep
from .limits import ParamLimits

Params = dict[str, Any]

_BRACKETS = re.compile(r"[\[\]]+")


@dataclass(frozen=True, slots=True)
class _Pair:
    """The pair being stored: its whole name, for errors, and its value."""

    name: str
    value: str | None
    depth_limit: int


def store(params: Params, name: str, value: str | None, limits: ParamLimits) -> None:
    """Store one decoded pair into ``params``; its cost is linear in the name, times the depth limit.

    Args:
        params: changed in place.
        name: as sent, such as ``a[b][]``. An empty name stores nothing.
        value: None where the pair had no ``=``.
        limits: of which ``depth`` is held.

    Raises:
        ParametersTooDeep: the name nests deeper than the limit.
        ParameterConflict: what is stored under a part of the name is of another kind (Rack's ``ParameterTypeError``).
    """
    if _is_stored_simply(params, name, value, limits):
        return
    _store(params, name, _Pair(name, value, limits.depth), 0)


def _is_stored_simply(params: Params, name: str, value: str | None, limits: ParamLimits) -> bool:
    """Store the value, if the name is plain or such as ``a[b]``, as nearly all are; whether it was stored."""
    outer, bracket, rest = name.partition("[")
    if not bracket:
        if name:
            params[name] = value
        return True
    inner = rest[:-1]
    if not (outer and inner and rest[-1] == "]" and limits.depth > 1) or "[" in inner or "]" in inner:
        return False
    members = params.get(outer)
    if members is None:
        params[outer] = {inner: value}
    elif isinstance(members, dict):
        members[inner] = value
    else:
        return False
    return True


def _store(params: Params, name: str, pair: _Pair, depth: int) -> Params | list[str | None]:
    """Store the pair under ``name``, the rest of its name at this depth; returns the value for its parent."""
    if depth >= pair.depth_limit:
        raise ParametersTooDeep(f"A parameter is nested deeper than {pair.depth_limit} levels.", parameter=pair.name)
    key, rest = _split_key(name, depth)
    if not rest:
        if key == "[]" and depth:
            return [pair.value]
        if key:
            params[key] = pair.value
    elif rest == "[":
        params[name] = pair.value
    elif rest == "[]":
        _list_at(params, key, pair).append(pair.value)
    elif rest.startswith("[]"):
        _store_in_last(_list_at(params, key, pair), _child_name(rest), pair, depth + 1)
    else:
        params[key] = _store(_dict_at(params, key, pair), rest, pair, depth + 1)
    return params


def _split_key(name: str, depth: int) -> tuple[str, str]:
    """Split the first key off a name: the key, and the rest."""
    if depth == 0:
        start = name.find("[", 1)
        return (name, "") if start < 0 else (name[:start], name[start:])
    if name.startswith("[]"):
        return "[]", name[2:]
    if name.startswith("[") and (end := name.find("]", 1)) > 0:
        return name[1:end], name[end + 1 :]
    return name, ""


def _child_name(rest: str) -> str:
    """The name inside an array's element: ``y`` for ``[][y]``, else everything after the ``[]``."""
    if rest[2] == "[" and rest.endswith("]"):
        child = rest[3:-1]
        if child and "[" not in child and "]" not in child:
            return child
    return rest[2:]


def _store_in_last(array: list[Any], child: str, pair: _Pair, depth: int) -> None:
    """Store into the array's last object, or into a new element if that object has the child already."""
    last = array[-1] if array else None
    if isinstance(last, dict) and not _has(last, child):
        _store(last, child, pair, depth)
    else:
        array.append(_store({}, child, pair, depth))


def _has(params: Params, child: str) -> bool:
    """Whether the whole path of a child's name exists; a name with ``[]`` in it never does, since arrays grow."""
    if "[]" in child:
        return False
    node: Any = params
    for part in filter(None, _BRACKETS.split(child)):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True


def _list_at(params: Params, key: str, pair: _Pair) -> list[Any]:
    if params.get(key) is None:
        params[key] = []
    value = params[key]
    if not isinstance(value, list):
        raise ParameterConflict(pair.name, key, "an array")
    return value


def _dict_at(params: Params, key: str, pair: _Pair) -> Params:
    if params.get(key) is None:
        params[key] = {}
    value = params[key]
    if not isinstance(value, dict):
        raise ParameterConflict(pair.name, key, "an object")
    return value
