"""The page about the kit counts the mistakes that the suites find."""

import re
from pathlib import Path
from typing import Final

from tests.kit.azure.test_mistakes import MISTAKES as AZURE
from tests.kit.ftp.test_mistakes import MISTAKES as FTP
from tests.kit.heic.test_mistakes import MISTAKES as HEIC

PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "kit.md"


def test_the_page_counts_the_mistakes() -> None:
    told = re.findall(
        r"^\| (?:Azure Blob storage|FTP fetcher|HEIC detector) \| (\d+) \|", PAGE.read_text(), re.MULTILINE
    )
    found = {one.storage for one in AZURE}, {one.fetcher for one in FTP}, {one.detector for one in HEIC}
    # The detector that registers itself with Pillow has a test of its own.
    assert list(map(int, told)) == [len(found[0]), len(found[1]), len(found[2]) + 1]
