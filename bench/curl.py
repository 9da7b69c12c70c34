"""curl, with which the measurements of whole downloads are compared: what it is told to fetch many files at once."""

from collections.abc import Sequence
from pathlib import Path

from bench.tools import tool

AT_ONCE = 64


def download_all(urls: Sequence[str], folder: Path) -> list[str | Path]:
    """The command of one curl with up to ``AT_ONCE`` transfers; the files come into ``output`` in the folder.

    Raises:
        RuntimeError: there is no curl.
    """
    (folder / "output").mkdir()
    config = folder / "curl.conf"
    lines = [f'url = "{url}"\noutput = "{folder}/output/{number}"\n' for number, url in enumerate(urls)]
    config.write_text("".join(lines), encoding="utf-8")
    return [tool("curl"), "--silent", "--fail", "--parallel", "--parallel-max", str(AT_ONCE), "--config", config]
