"""What stands before the root of a document: declaration, comments, instructions, document type.

It is read here and never given to the XML parser. A parser that is given no document type declaration knows no entities
but the five of XML, whatever it is told of them, and has nothing that it could be made to fetch or to expand.

Sources: XML 1.0 sections 2.8, 2.5, 2.6, 4.3.3; SVG 1.1 appendix A, SVG 1.0 section 1.3.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lading.plugins.errors import DetectError, ImageCorrupt, NotAnImage
from lading_svg.errors import DoctypeNotAllowed, EncodingNotAllowed
from lading_svg.markup import check_comment, check_instruction

LONGEST: Final = 64 * 1024
"""Characters in which the root must begin; a document whose root comes later is taken for something else."""

_SPACES: Final = re.compile(r"[ \t\r\n]*")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTED: Final = r"""\s*=\s*(?:"([^"<&]{0,100})"|'([^'<&]{0,100})')"""
_DECLARATION: Final = re.compile(
    rf"<\?xml\s+version{_QUOTED}(?:\s+encoding{_QUOTED})?(?:\s+standalone{_QUOTED})?\s*\?>", re.ASCII
)
_DOCTYPE: Final = re.compile(
    r"""<!DOCTYPE\s+svg(?:\s+PUBLIC\s+["']([^"']{1,100})["']\s+["']([^"']{1,100})["'])?\s*>""", re.ASCII
)
_WEB: Final = re.compile(r"\Ahttps?://")
_SVG_DOCTYPE: Final = re.compile(r"<!DOCTYPE\s+(?:[^\s<>:\[]{1,256}:)?svg(?![^\s\[>])")
_SVG_ROOT: Final = re.compile(r"<(?:[^\s<>/:=!?&\"']{1,256}:)?svg(?=[\s/>]|\Z)")

_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_HTML: Final = re.compile(rb"<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)

_SVG_10: Final = "www.w3.org/TR/2001/REC-SVG-20010904/DTD/svg10.dtd"
_SVG_11: Final = "www.w3.org/Graphics/SVG/1.1/DTD/svg11"
_DOCTYPES: Final = frozenset(
    {
        ("-//W3C//DTD SVG 1.0//EN", _SVG_10),
        ("-//W3C//DTD SVG 1.0//EN", "www.w3.org/TR/2001/PR-SVG-20010719/DTD/svg10.dtd"),  # by Dia
        ("-//W3C//DTD SVG 20010904//EN", _SVG_10),
        ("-//W3C//DTD SVG 1.1//EN", f"{_SVG_11}.dtd"),
        ("-//W3C//DTD SVG 1.1 Basic//EN", f"{_SVG_11}-basic.dtd"),
        ("-//W3C//DTD SVG 1.1 Tiny//EN", f"{_SVG_11}-tiny.dtd"),
    }
)
"""The public identifiers of the recommendations, each with its system identifier."""


def may_begin(head: bytes) -> bool:
    """Whether a document that ``root_at`` knows may begin with these bytes, of which there may be few."""
    if head.startswith(_UTF16_MARKS) or any(mark.startswith(head) for mark in (_UTF8_MARK, *_UTF16_MARKS)):
        return True
    text = head.removeprefix(_UTF8_MARK).lstrip(b" \t\r\n")
    return text[:1] in (b"", b"<") and not _HTML.match(text)


def root_at(text: str, *, is_utf16: bool) -> int:
    """Where the root of the document begins, which is called ``svg``; of which namespace is seen later.

    Args:
        text: the document, or the first ``LONGEST`` characters of it.
        is_utf16: whether it was in UTF-16.

    Raises:
        NotAnImage: this is not the beginning of such a document.
        DetectError: it is, and must be refused.
    """
    prolog = _Prolog(text)
    prolog.declaration(is_utf16=is_utf16)
    while prolog.misc():
        pass
    if not (prolog.is_svg_doctype or _SVG_ROOT.match(text, prolog.at)):
        raise NotAnImage
    if _NOT_XML.search(text, 0, prolog.at):
        prolog.note(ImageCorrupt("a character that XML does not have"))
    if prolog.fault:
        raise prolog.fault
    return prolog.at


@dataclass(slots=True)
class _Prolog:
    """A place in the text, and what was found up to there.

    Attributes:
        at: the place.
        fault: the first thing that must be refused if this turns out to be SVG.
        is_svg_doctype: whether the document type says that it is.
    """

    text: str
    at: int = 0
    fault: DetectError | None = None
    is_svg_doctype: bool = False

    def declaration(self, *, is_utf16: bool) -> None:
        """Pass the XML declaration."""
        match = _DECLARATION.match(self.text)
        if match is None:  # what looks like one and is none is an instruction that may not be
            return
        version, encoding, standalone = (match[first] or match[first + 1] for first in (1, 3, 5))
        if version != "1.0" or (encoding or "").lower() not in ("", "utf-16" if is_utf16 else "utf-8"):
            self.note(EncodingNotAllowed())
        if standalone not in (None, "yes", "no"):
            self.note(ImageCorrupt("standalone is neither yes nor no"))
        self.at = match.end()

    def misc(self) -> bool:
        """Pass white space and one comment, instruction or document type; whether there was one."""
        self.at = _SPACES.match(self.text, self.at).end()  # type: ignore[union-attr] # it matches nothing as well
        if self.text.startswith("<!--", self.at):
            return self._pass("<!--", "-->", check_comment)
        if self.text.startswith("<?", self.at):
            return self._pass("<?", "?>", check_instruction)
        return self.text.startswith("<!DOCTYPE", self.at) and self._doctype()

    def note(self, fault: DetectError) -> None:
        """Remember what is wrong, if nothing was before."""
        self.fault = self.fault or fault

    def _pass(self, begin: str, end: str, check: Callable[[str], None]) -> bool:
        start = self.at + len(begin)
        stop = self.text.find(end, start)
        if stop < 0:
            self.at = len(self.text)
            return False
        try:
            check(self.text[start:stop])
        except DetectError as fault:
            self.note(fault)
        self.at = stop + len(end)
        return True

    def _doctype(self) -> bool:
        match = _DOCTYPE.match(self.text, self.at)
        if match is None:
            if _SVG_DOCTYPE.match(self.text, self.at):
                self.is_svg_doctype = True
                self.note(DoctypeNotAllowed())
            return False
        public, system = match.groups()
        if self.is_svg_doctype or (public and (public, _WEB.sub("", system)) not in _DOCTYPES):
            self.note(DoctypeNotAllowed())
        self.is_svg_doctype = True
        self.at = match.end()
        return True
