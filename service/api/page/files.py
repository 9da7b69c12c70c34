"""The files of the page, and their version."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

INDEX: Final = "index.html"
_FOLDER: Final = Path(__file__).with_name("static")
_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""By suffix; a file of another kind is not served."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page.

    Attributes:
        content_type: of its answer.
    """

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class PageFiles:
    """All files of the page.

    Attributes:
        version: a digest of all of them. It is a part of their URLs, so that a browser may keep a file for ever, and
            never mixes the modules of two releases.
        files: by the path below ``static``.
        index: the page itself.
    """

    version: str
    files: Mapping[str, PageFile]
    index: PageFile


@cache
def page_files() -> PageFiles:
    """Read the files, once a process. Blocks."""
    read = {
        path.relative_to(_FOLDER).as_posix(): PageFile(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in _TYPES
    }
    digest = hashlib.sha256()
    for name, file in read.items():
        digest.update(f"{name}\0{len(file.content)}\0".encode() + file.content)
    version = digest.hexdigest()[:16]
    index = read.pop(INDEX)
    return PageFiles(version, read, PageFile(_preloading(index.content, version, read), index.content_type))


def _preloading(text: bytes, version: str, names: Mapping[str, PageFile]) -> bytes:
    """The page with the version in its URLs, and a hint for each module, or a browser would find them one by one."""
    modules = [name for name in names if name.endswith(".js")]
    hints = "\n".join(f'<link rel="modulepreload" href="/page/{version}/{name}">' for name in modules)
    return text.replace(b"<!-- modules -->", hints.encode()).replace(b"VERSION", version.encode())
