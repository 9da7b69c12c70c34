"""A document goes through the XML parser, under limits. Blocks; for a thread.

The parser is expat, by way of ``pyexpat`` of the standard library. ``defusedxml``, the other candidate, is the same
parser with handlers that refuse entities and external references. It would refuse the plain document type of SVG 1.1
with ``forbid_dtd`` and let through internal subsets without it, and it bounds nothing else: no depth, no count of
attributes, no length of a token, no time. All of that has to be here anyway, and since ``prolog`` keeps every document
type from the parser, there is nothing left that it would refuse. lxml parses with the GIL released and cannot be
stopped, and fetches what it is not told to leave.

What keeps the parser's own work small:

- It gets 32 KiB at a time; the clock and the caller's wish to stop are looked at in between, and with each element.
- A tag, comment or instruction is one token and comes as a whole. Expat before 2.6 reads an unfinished one again from
  its start with every piece, so its length is limited while it is read. So are its ``=`` signs, that is the attributes
  of it, since expat builds the list of them before anybody is asked.
- Names are kept by expat until the end; there may be few different ones.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pyexpat import ExpatError, ParserCreate, XMLParserType
from typing import Final
from urllib.parse import unquote

from lading.plugins.errors import ImageCorrupt, ImageTooComplex, NotAnImage
from lading_svg import markup
from lading_svg.content import Judge, is_text_only
from lading_svg.errors import ActiveContent, DetectorClosed, TooComplex
from lading_svg.instances import Instances
from lading_svg.lengths import size
from lading_svg.namespaces import Name, Namespaces
from lading_svg.options import SvgOptions
from lading_svg.reading import PIECE
from lading_svg.vocabulary import SVG, XLINK, XML

_MOST_SIGNS: Final = 2000
"""``=`` signs in the finished pieces of an unfinished tag; no option allows more attributes than half of these."""

_IDS: Final = (Name("", "id"), Name(XML, "id"))
_REFERENCES: Final = (Name("", "href"), Name(XLINK, "href"))
"""Some viewers know the one and some the other."""


_TURN_SECONDS: Final = 0.001
_PAUSE_SECONDS: Final = 0.0001


class Watch:
    """Says when to stop, and lets others have their turn.

    A thread that computes keeps the interpreter for 5 ms when another one wants it, at each system call of that other
    one; the event loop would crawl. So this one lets go every millisecond, long enough for the other to wake up.
    Made in the thread that works.

    Args:
        seconds: CPU time that the work may take, from now; a busy or a paused machine costs it nothing.
        stop: is set when nobody waits for it any more.
    """

    def __init__(self, seconds: float, stop: threading.Event) -> None:
        self._end = time.thread_time() + seconds
        self._seconds = seconds
        self._stop = stop
        self._turn_end = 0.0

    def look(self) -> None:
        """Go on, or not.

        Raises:
            ImageTooComplex: the CPU time is used up.
            DetectorClosed: the work is not wanted any more.
        """
        if self._stop.is_set():
            raise DetectorClosed
        if time.thread_time() > self._end:
            raise ImageTooComplex(f"not read with {self._seconds} s of CPU time", resource="CPU time")
        if time.monotonic() > self._turn_end:
            time.sleep(_PAUSE_SECONDS)
            self._turn_end = time.monotonic() + _TURN_SECONDS


class Document:
    """What is known of a document while it is parsed, from its root on.

    Args:
        options: its limits.
        watch: is asked all the while.

    Attributes:
        size: width and height in CSS pixels, perhaps infinite.
    """

    def __init__(self, options: SvgOptions, watch: Watch) -> None:
        self.size = (0.0, 0.0)
        self._options = options
        self._watch = watch
        self._judge = Judge(embedded=options.embedded, links=options.links)
        self._namespaces = Namespaces()
        self._instances = Instances()
        self._open: list[Name] = []
        self._elements = 0
        self._characters = 0
        self._style: list[str] = []
        self._style_length = 0
        self._in_cdata = False

    def connect(self, parser: XMLParserType) -> None:
        """Be told of everything by the parser."""
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        parser.CommentHandler = self.comment
        parser.ProcessingInstructionHandler = self.instruction
        parser.StartCdataSectionHandler = lambda: self._cdata(begins=True)
        parser.EndCdataSectionHandler = lambda: self._cdata(begins=False)

    def finish(self) -> None:
        """The document has ended."""
        self._instances.check(self._options.max_elements, self._watch.look)

    def start(self, tag: str, listed: list[str]) -> None:
        """A start tag; names and values of its attributes take turns in the list."""
        self._watch.look()
        attributes = list(zip(listed[::2], listed[1::2], strict=True))
        self._check_amounts(tag, attributes)
        name, named = self._namespaces.enter(tag, attributes)
        if not self._open:
            self._root(name, dict(named))
        elif is_text_only(self._open[-1]):
            raise ActiveContent(what="an element where only text belongs")
        self._judge.element(name, named)
        values = dict(named)
        self._instances.enter([values[key] for key in _IDS if key in values], _used(name, values))
        self._open.append(name)

    def end(self, _tag: str) -> None:
        """An end tag."""
        name = self._open.pop()
        self._namespaces.leave()
        self._instances.leave()
        if name == (SVG, "style"):
            self._judge.style("".join(self._style))
            self._style.clear()
            self._style_length = 0

    def text(self, text: str) -> None:
        """Text, or a piece of it."""
        self._count(text)
        if self._in_cdata:
            markup.check_cdata(text)
        if self._open and self._open[-1] == (SVG, "style"):
            if "<" in text:
                raise ActiveContent(what="markup in a style")
            self._style.append(text)
            self._style_length += len(text)
            _limit(self._style_length, self._options.max_value, "characters of a style sheet")

    def comment(self, text: str) -> None:
        """A comment."""
        self._markup(text)
        markup.check_comment(text)

    def instruction(self, target: str, data: str) -> None:
        """A processing instruction."""
        self._markup(data)
        markup.check_instruction(f"{target} {data}")

    def _cdata(self, *, begins: bool) -> None:
        self._in_cdata = begins

    def _root(self, name: Name, values: dict[Name, str]) -> None:
        if name != (SVG, "svg"):
            raise NotAnImage
        self.size = size(*(values.get(Name("", side)) for side in ("width", "height", "viewBox")))

    def _check_amounts(self, tag: str, attributes: list[tuple[str, str]]) -> None:
        options = self._options
        self._elements += 1
        _limit(self._elements, options.max_elements, "elements")
        _limit(len(self._open) + 1, options.max_depth, "elements within one another")
        _limit(len(attributes), options.max_attributes, "attributes")
        _limit(len(tag), options.max_name, "characters of a name")
        for name, value in attributes:
            _limit(len(name), options.max_name, "characters of a name")
            is_namespace = name.startswith("xmlns")
            _limit(len(value), options.max_name if is_namespace else options.max_value, "characters of an attribute")

    def _markup(self, text: str) -> None:
        self._count(text)
        if self._open and is_text_only(self._open[-1]):
            raise ActiveContent(what="a comment where only text belongs")

    def _count(self, text: str) -> None:
        self._watch.look()
        self._characters += len(text)
        _limit(self._characters, self._options.max_text, "characters of text")


def parse(text: Iterator[str], options: SvgOptions, watch: Watch) -> tuple[float, float]:
    """The size in CSS pixels, perhaps infinite, of a document that is harmless.

    Args:
        text: the document from its root on, in pieces.
        options: its limits.
        watch: is asked all the while.

    Raises:
        NotAnImage: its root is of another language.
        DetectError: it is damaged or refused.
    """
    document, names = Document(options, watch), dict[str, str]()
    parser = ParserCreate("utf-8", None, names)
    document.connect(parser)
    feed = _Feed(parser, options.max_value + options.max_name)
    try:
        for piece in text:
            for start in range(0, len(piece), PIECE):
                watch.look()
                feed.give(piece[start : start + PIECE].encode())
                _limit(len(names), options.max_names, "different names")
        parser.Parse(b"", True)
    except ExpatError as error:
        raise ImageCorrupt(f"XML error {error.code}") from error
    document.finish()
    return document.size


class _Feed:
    """Gives the parser its pieces, and keeps what it cannot use yet from growing."""

    def __init__(self, parser: XMLParserType, longest: int) -> None:
        self._parser = parser
        self._longest = longest
        self._given = 0
        self._signs = 0
        self._token = 0
        # Later expats wait for more of an unfinished token; what is pending would then be more than that token.
        defer: Callable[[bool], None] | None = getattr(parser, "SetReparseDeferralEnabled", None)
        if defer:
            defer(False)

    def give(self, data: bytes) -> None:
        """Parse some more of the document."""
        self._parser.Parse(data)
        self._given += len(data)
        token = self._parser.CurrentByteIndex
        self._signs = self._signs + data.count(b"=") if token == self._token else 0
        self._token = token
        _limit(self._given - token, 2 * self._longest, "bytes of one tag or comment")
        _limit(self._signs, _MOST_SIGNS, "attributes")


def _limit(value: int, limit: int, what: str) -> None:
    if value > limit:
        raise TooComplex(what=what, limit=limit)


def _used(name: Name, values: dict[Name, str]) -> set[str]:
    """The ids that a ``use`` element may repeat, by one reading or the other."""
    if name != (SVG, "use"):
        return set()
    fragments = {values[key].strip().removeprefix("#") for key in _REFERENCES if key in values}
    return fragments | set(map(unquote, fragments))
