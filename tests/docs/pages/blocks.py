"""A page of Markdown -> its fenced blocks, each with what the page says of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Final

OUTPUTS: Final = frozenset({"http", "json", "text"})
"""Languages of blocks that show what the commands before them print."""
_BLOCK: Final = re.compile(
    r"(?:^[ ]*<!-- test: (?P<mark>[^\n]+) -->\n+)?"
    r"(?:^[ ]*`(?P<file>[\w./-]+)`:\n\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>[\w-]*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_PAGE_MARK: Final = re.compile(r"\A<!-- test: (?P<mark>[a-z ]+) -->\n")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        line: of the page where it begins.
        file: the name that the line before it gives it: the reader writes this file.
        skip: why the block is not run; empty for a block that is.
        status: with which the last command ends.
    """

    line: int
    language: str
    code: str
    file: str
    skip: str
    status: int

    @property
    def is_output(self) -> bool:
        """Whether it shows what the commands before it print."""
        return not self.file and self.language in OUTPUTS


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page in their order.

    Raises:
        ValueError: a mark that is none.
    """
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        kind, _, value = (match["mark"] or "").partition(" ")
        if kind not in ("", "skip", "status") or (kind and not value):
            raise ValueError(f"{page}: the mark {match['mark']!r} is unknown, or says no more")
        yield Block(
            line=text.count("\n", 0, match.start("indent")) + 1,
            language=match["language"],
            code=dedent(match["code"]),
            file=match["file"] or "",
            skip=value if kind == "skip" else "",
            status=int(value) if kind == "status" else 0,
        )


def page_mark(page: Path) -> str:
    """What the reader of a page has done before, as its first line says; empty for nothing."""
    match = _PAGE_MARK.match(page.read_text(encoding="utf-8"))
    return match["mark"] if match else ""
