"""``python -m tests.docs.pages.recording`` writes the answers of a running service into the API's reference.

The pages are followed as their test follows them. Each ``http`` block becomes the answer that the command before it
got; see ``tests.docs.pages.answers`` for what of it is shown.
"""

import re
import sys
import tempfile
from pathlib import Path

from tests.docs.pages.answers import recorded
from tests.docs.pages.blocks import Block
from tests.docs.pages.reader import Reader, as_a_clone
from tests.docs.pages.stand_ins import ROOT, fill_origin, stand_ins
from tests.docs.test_pages import A_SERVICE
from tests.support.servers.processes import origin_process


class Recorder(Reader):
    """Follows a page, and takes what its commands print for right."""

    answers: dict[int, str]
    """By the line of the page where each block begins."""

    def output(self, block: Block, place: str) -> None:
        """Keep what was printed."""
        if block.language == "http" and self.printed is not None:
            self.answers[block.line] = recorded(block.code, self.printed, self.names)
        else:
            super().output(block, place)


def record(page: Path, origin: str, folder: Path) -> None:
    """Write the answers of today into a page."""

    def none(name: str) -> object:
        raise LookupError(f"no page of the API's reference needs {name}")

    text = page.read_text(encoding="utf-8")
    as_a_clone(folder)
    with Recorder(folder, stand_ins(text, origin, none)) as reader:
        reader.answers = {}
        reader.shell(A_SERVICE)
        reader.follow(page)
    lines = text.splitlines(keepends=True)
    for line, answer in sorted(reader.answers.items(), reverse=True):
        end = next(number for number in range(line, len(lines)) if re.match(r"```\n?$", lines[number]))
        lines[line:end] = [answer]
    page.write_text("".join(lines), encoding="utf-8")


def main(names: list[str]) -> None:
    """Record all pages, or those that are named."""
    with tempfile.TemporaryDirectory() as place:
        images = Path(place, "origin")
        images.mkdir()
        fill_origin(images)
        with origin_process(images) as origin:
            for page in sorted((ROOT / "docs" / "reference" / "api").glob("*.md")):
                if "```http" in page.read_text(encoding="utf-8") and (not names or page.stem in names):
                    folder = Path(place, page.stem, "lading")
                    folder.mkdir(parents=True)
                    record(page, origin, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
