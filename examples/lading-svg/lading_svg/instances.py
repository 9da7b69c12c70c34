"""How many elements a viewer has to draw, where ``use`` elements repeat others.

A few lines of ten ``use`` elements each, every line using the one before it, stand for billions of elements.
"""

from collections.abc import Callable, Collection

from lading_svg.errors import CircularUse, TooComplex

_UNKNOWN, _PART_WAY = 0, -1


class Instances:
    """Counts what the elements of a document come to. They are told of in the order of the document.

    A part is what can be used: an element with an id, or the document. Parts have numbers, and few objects: there may
    be as many as there are elements.
    """

    def __init__(self) -> None:
        self._own = [0]
        """Of each part, how many elements it has without those of the parts within it."""
        self._parts: dict[int, list[int]] = {}
        """Of each part that has any, the parts within it."""
        self._uses: dict[int, list[str]] = {}
        """Of each part that has any, the ids that it uses."""
        self._by_id: dict[str, int] = {}
        self._open = [0]
        """Of each open element, the part that it belongs to; the document comes first."""

    def enter(self, ids: Collection[str], uses: Collection[str]) -> None:
        """An element begins.

        Args:
            ids: by which it can be used.
            uses: ids of what it uses, where it is a ``use`` element.
        """
        part = self._open[-1]
        if ids:
            self._own.append(0)
            self._parts.setdefault(part, []).append(len(self._own) - 1)
            part = len(self._own) - 1
            for identifier in ids:
                self._by_id.setdefault(identifier, part)
        self._own[part] += 1
        if uses:
            self._uses.setdefault(part, []).extend(uses)
        self._open.append(part)

    def leave(self) -> None:
        """The element that began last ends."""
        self._open.pop()

    def check(self, limit: int, look: Callable[[], None]) -> None:
        """Add it all up, when the document has ended; ``look`` is called all the while, and may raise.

        Raises:
            CircularUse: an element is used within itself.
            TooComplex: there are more than ``limit`` elements.
        """
        totals = [_UNKNOWN] * len(self._own)
        pending = [0]
        while pending:
            look()
            part = pending[-1]
            below = self._below(part)
            if totals[part] == _UNKNOWN:
                totals[part] = _PART_WAY
                if any(totals[number] == _PART_WAY for number in below):
                    raise CircularUse
                pending += (number for number in below if totals[number] == _UNKNOWN)
                continue
            pending.pop()
            if totals[part] == _PART_WAY:
                totals[part] = self._own[part] + sum(totals[number] for number in below)
                if totals[part] > limit:
                    raise TooComplex(what="elements that use repeats", limit=limit)

    def _below(self, part: int) -> list[int]:
        """The parts that it is made of, and those that it uses."""
        used = (self._by_id[identifier] for identifier in self._uses.get(part, ()) if identifier in self._by_id)
        return [*self._parts.get(part, ()), *used]
