"""Links in any text: in a letter, in Markdown, in HTML. The page finds the same ones (``page/static/add/links.js``).

A text of which each line is one word is a list of URLs, see ``lists``. Any other text is prose. No I/O beyond the lines
that are given.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from .lists import COLUMNS, delimiter_of, guess, is_url

_SCHEME: Final = re.compile(r"(?<![A-Za-z0-9_])https?://[^\s<>\"'`\\]+", re.IGNORECASE)
_ENDING: Final = r"\.(?:jpe?g|png|gif|webp|tiff?|bmp|avif|jp2|ico)"
"""By which a name is surely that of a picture."""
_BARE: Final = re.compile(
    rf"(?<![A-Za-z0-9_@/.:-])(?:[a-z0-9-]+\.)+[a-z]{{2,}}(?::[0-9]+)?/[^\s<>\"'`\\]*{_ENDING}(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
"""Written without a scheme, and surely a picture: ``images.example.org/a/photo.jpg``."""
_OTHER: Final = re.compile(r"(?<![A-Za-z0-9_@/.:+-])[a-z][a-z0-9+.-]*://[^\s<>\"'`\\]+", re.IGNORECASE)
_PICTURE: Final = re.compile(rf"[^?#]*{_ENDING}(?:[?#]|$)", re.IGNORECASE)
"""Of a scheme that a fetcher may serve; what it leads to has to be a picture by its name: ``sftp://host/a.jpg``."""
_DATA: Final = re.compile(r"(?<![A-Za-z0-9_])data:image/[a-z0-9.+-]+(?:;[a-z0-9=.-]+)*,[^\s<>\"'`\\]+", re.IGNORECASE)
_REMARK: Final = re.compile(r"\s*#(?:\s|https?:|$)", re.IGNORECASE)
"""A remark, or a link that is switched off; ``#holidays https://…`` is neither."""
_TAIL: Final = ".,;:!?'\"»”’*_~|"
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}


@dataclass(slots=True)
class Found:
    """What was found in a text.

    Attributes:
        links: each counts once.
        lines: of the text that are not empty.
        without: lines without a link.
    """

    links: int = 0
    lines: int = 0
    without: int = 0

    def __str__(self) -> str:
        links = f"{self.links:,} link{'' if self.links == 1 else 's'} found"
        lines = f"{self.lines:,} line{'' if self.lines == 1 else 's'} of text"
        return f"{links} in {lines}; {self.without:,} of them {'has' if self.without == 1 else 'have'} none."


def form_of(first_line: str) -> str:
    """The format of a text by its first line that is not empty: ``guess``, but a sentence is text whatever is in it."""
    text, form = first_line.strip(), guess(first_line)
    if form == "csv" and not delimiter_of(text):
        fields = [field.strip().strip('"') for field in text.split(";")]
        return "csv" if is_url("".join(fields[1:2])) and not any(fields[len(COLUMNS) :]) else "text"
    if form == "ndjson" and text.startswith('"') and not _is_json(text):
        return "text"
    return form


def is_prose(lines: Iterable[str]) -> bool:
    """Whether a text is more than a list of words, one a line, in which ``#`` begins a comment."""
    return any(len(line.split(maxsplit=1)) > 1 for line in lines if not line.lstrip().startswith("#"))


def links_of(lines: Iterable[str], found: Found) -> Iterator[str]:
    """The links of a text, each once, in their order; ``found`` is counted meanwhile."""
    known: set[str] = set()
    for line in lines:
        if not line.strip() or _REMARK.match(line):
            continue
        links = find_links(line)
        found.lines += 1
        found.without += not links
        for link in links:
            if link not in known:
                known.add(link)
                found.links += 1
                yield link


def find_links(text: str) -> list[str]:
    """The links in a text, each once, in their order, without the punctuation of the sentence around them."""
    places = [(match.start(), match[0]) for match in _DATA.finditer(text)]
    rest = _DATA.sub(_blank, text)
    places += [(match.start(), _trimmed(match[0])) for match in _SCHEME.finditer(rest)]
    rest = _SCHEME.sub(_blank, rest)
    others = [(match.start(), _trimmed(match[0])) for match in _OTHER.finditer(rest)]
    places += [(place, link) for place, link in others if _PICTURE.match(link)]
    places += [(match.start(), f"https://{match[0]}") for match in _BARE.finditer(_OTHER.sub(_blank, rest))]
    return list(dict.fromkeys(link for _, link in sorted(places, key=lambda one: one[0]) if _is_link(link)))


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _trimmed(link: str) -> str:
    """Without what ends a sentence. A bracket stays if it was opened within the link."""
    while link:
        shorter = link.rstrip(_TAIL)
        opening = _PAIRS.get(shorter[-1:])
        if opening and shorter.count(opening) < shorter.count(shorter[-1]):
            shorter = shorter[:-1]
        if shorter == link:
            break
        link = shorter
    return link


def _is_link(link: str) -> bool:
    if link[:5].lower() == "data:":
        return True
    try:
        return bool(urlsplit(link).hostname)
    except ValueError:
        return False


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
