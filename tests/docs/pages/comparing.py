"""What a command printed, against what a page shows.

``…`` stands for anything. An id, a secret or a time that a page shows stands for the one that was printed, and for the
same one wherever the page names it again.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SECRET: Final = r"(?:whsec_[A-Za-z0-9+/]+=*|(?:dlv|evt)_[0-9a-f]{32})"
_JWT: Final = r"eyJ[\w-]+\.[\w-]+\.[\w-]+"
TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_CHANGING: Final = re.compile(rf"(?P<named>{_UUID}|{_SECRET}|{_JWT})|(?P<time>{TIME})|(?P<any>…)")
_MEASURED: Final = re.compile(r".*(?:\.ms|milliseconds)")
"""Keys of numbers that differ from run to run."""


class Names:
    """What the ids and secrets of a page stand for in this run."""

    def __init__(self) -> None:
        self._meant: dict[str, str] = {}

    def copy(self) -> "Names":
        """Others that mean the same so far."""
        other = Names()
        other.take(self)
        return other

    def take(self, other: "Names") -> None:
        """Learn what others mean."""
        self._meant = dict(other._meant)

    def applied(self, text: str) -> str:
        """The text with the ids and secrets of this run."""
        return _CHANGING.sub(lambda found: self._meant.get(found[0], found[0]), text)

    def undone(self, text: str) -> str:
        """The text of this run with the ids and secrets of the page."""
        for shown, meant in self._meant.items():
            text = text.replace(meant, shown)
        return text

    def match(self, expected: str, actual: str) -> bool:
        """Whether a text is as expected; learns the names in it."""
        new: list[str] = []
        parts = [self._pattern(piece, new) for piece in _pieces(expected)]
        found = re.fullmatch("".join(parts), actual)
        if found is not None:
            self._meant.update(zip(new, found.groups(), strict=True))
        return found is not None

    def _pattern(self, piece: re.Match[str] | str, new: list[str]) -> str:
        if isinstance(piece, str):
            return re.escape(piece)
        if piece["any"]:
            return ".*?"
        if piece["time"]:
            return TIME
        name = piece["named"]
        if name in self._meant:
            return re.escape(self._meant[name])
        if name in new:
            return f"\\{new.index(name) + 1}"
        new.append(name)
        kind = next(kind for kind in (_UUID, _SECRET, _JWT) if re.fullmatch(kind, name))
        return f"({kind})"


def _pieces(text: str) -> Iterator[re.Match[str] | str]:
    start = 0
    for found in _CHANGING.finditer(text):
        yield text[start : found.start()]
        yield found
        start = found.end()
    yield text[start:]


def difference(expected: str, actual: str, language: str, names: Names) -> str:
    """Where an output is not as expected; empty where it is."""
    if language == "json":
        return json_difference(expected, actual, names)
    wanted, printed = expected.splitlines(), actual.splitlines()
    return lines_difference(wanted, printed, names)


def lines_difference(wanted: list[str], printed: list[str], names: Names) -> str:
    """Where lines are not as expected; a line ``…`` stands for any number of lines."""
    rest = list(printed)
    anything = False
    for line in wanted:
        if line.strip() == "…":
            anything = True
            continue
        while rest and anything and not names.match(line.rstrip(), rest[0].rstrip()):
            del rest[0]
        if not rest:
            return f"no line is {line!r}"
        if not anything and not names.match(line.rstrip(), rest[0].rstrip()):
            return f"the line {rest[0]!r} is not {line!r}"
        del rest[0]
        anything = False
    return f"the line {rest[0]!r} is not shown" if rest and not anything else ""


def json_difference(expected: str, actual: str, names: Names) -> str:
    """Where JSON is not as expected. Several documents may come in any order, as the lines of a batch do."""
    wanted, printed = documents(expected), documents(actual)
    if len(wanted) != len(printed):
        return f"{len(printed)} documents where {len(wanted)} are shown"
    for document in wanted:
        unlike = [_tried(document, other, names) for other in printed]
        if "" not in unlike:
            return unlike[0]
        del printed[unlike.index("")]
    return ""


def _tried(wanted: Any, printed: Any, names: Names) -> str:
    """Like ``_unlike``; learns names only where there is no difference."""
    trial = names.copy()
    unlike = _unlike(wanted, printed, "", trial)
    if not unlike:
        names.take(trial)
    return unlike


def documents(text: str) -> list[Any]:
    """The JSON documents of a text, one after another."""
    decoder, found = json.JSONDecoder(), []
    text = text.strip()
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


def _unlike(wanted: Any, printed: Any, path: str, names: Names) -> str:
    """Objects have the keys that are shown; a pair ``"…": "…"`` stands for further ones."""
    if wanted == "…":
        return ""
    if isinstance(wanted, dict) and isinstance(printed, dict):
        shown = {key: value for key, value in wanted.items() if key != "…"}
        if not shown.keys() <= printed.keys() or ("…" not in wanted and len(shown) != len(printed)):
            return f"{path or 'the document'} has the keys {[*printed]}, not {[*wanted]}"
        pairs = ((value, printed[key], f"{path}.{key}") for key, value in shown.items())
    elif isinstance(wanted, list) and isinstance(printed, list):
        if len(wanted) != len(printed):
            return f"{path} has {len(printed)} items, not {len(wanted)}"
        pairs = ((one, other, f"{path}[]") for one, other in zip(wanted, printed, strict=True))
    elif isinstance(wanted, str) and isinstance(printed, str):
        return "" if names.match(wanted, printed) else f"{path} is {printed!r}, not {wanted!r}"
    elif _MEASURED.fullmatch(path) and isinstance(printed, int | float):
        return ""
    else:
        return "" if wanted == printed else f"{path} is {printed!r}, not {wanted!r}"
    return next(filter(None, (_unlike(*pair, names) for pair in pairs)), "")
