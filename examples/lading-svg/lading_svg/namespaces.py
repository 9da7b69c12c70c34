"""Names with prefixes become names with namespaces (Namespaces in XML 1.0).

Expat could do it, but it writes the namespace out in front of every name before anybody can look at the size of it: a
long namespace and many short names would fill the memory.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from lading.plugins.errors import ImageCorrupt
from lading_svg.errors import TooComplex
from lading_svg.vocabulary import XML, XMLNS

MOST_PREFIXES: Final = 64
"""That an element may have in scope: each element that declares one has a table of its own, of all of them."""

_FIRST_LETTERS: Final = frozenset({"Ll", "Lu", "Lo", "Lt", "Nl"})
"""Categories of the characters that names begin with (XML 1.0, appendix B of the fourth edition, which expat keeps)."""

_NOT_IN_A_URI: Final = re.compile(r"[\s<>\"{}|\\^`]")
_PREDEFINED: Final[Mapping[str, str]] = MappingProxyType({"": "", "xml": XML, "xmlns": XMLNS})


class Name(NamedTuple):
    """An element's or an attribute's name.

    Attributes:
        namespace: empty for none.
        local: without the prefix.
    """

    namespace: str
    local: str


class Namespaces:
    """Which prefix means what, for each of the elements that are open."""

    def __init__(self) -> None:
        self._scopes: list[Mapping[str, str]] = [_PREDEFINED]

    def enter(self, tag: str, attributes: Sequence[tuple[str, str]]) -> tuple[Name, list[tuple[Name, str]]]:
        """Open an element; its name, and its attributes without those that declare namespaces.

        Raises:
            ImageCorrupt: a name or a declaration is not valid, or two attributes have one name.
            TooComplex: too many prefixes.
        """
        declared = dict(_declarations(attributes))
        scope = {**self._scopes[-1], **declared} if declared else self._scopes[-1]
        if len(scope) > MOST_PREFIXES:
            raise TooComplex(what="namespaces", limit=MOST_PREFIXES)
        self._scopes.append(scope)
        names = [(_resolved(name, scope, default=""), value) for name, value in attributes if not _declares(name)]
        if len({name for name, _ in names}) < len(names):
            raise ImageCorrupt("an attribute occurs twice")
        return _resolved(tag, scope, default=scope[""]), names

    def leave(self) -> None:
        """Close the element that was opened last."""
        self._scopes.pop()


def _is_part(name: str) -> bool:
    """Whether what stands beside the colon of a valid name begins as a name does, and has no colon of its own."""
    first = name[:1]
    return ":" not in name and (first == "_" or (first != "" and unicodedata.category(first) in _FIRST_LETTERS))


def _declares(name: str) -> bool:
    return name == "xmlns" or name.startswith("xmlns:")


def _declarations(attributes: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, namespace in attributes:
        if not _declares(name):
            continue
        prefix = name[6:]
        if (
            (name != "xmlns" and not (_is_part(prefix) and namespace))
            or prefix == "xmlns"
            or _NOT_IN_A_URI.search(namespace)
            or namespace == XMLNS
            or (prefix == "xml") is not (namespace == XML)
        ):
            raise ImageCorrupt("a namespace declaration is not valid")
        yield prefix, namespace


def _resolved(name: str, scope: Mapping[str, str], *, default: str) -> Name:
    prefix, colon, local = name.partition(":")
    if not colon:
        return Name(default, name)
    if not prefix or not _is_part(local) or prefix == "xmlns" or prefix not in scope:
        raise ImageCorrupt("a name is not valid, or its prefix is not declared")
    return Name(scope[prefix], local)
