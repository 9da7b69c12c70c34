"""What ``lading import`` was given: URLs, files, folders, and lists. Everything here blocks."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .lists import ListFault, is_url, merged, read
from .prose import Found, form_of, is_prose, links_of

STDIN: Final = "-"
TIMED_OUT: Final = "timed_out"
LISTS: Final = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".txt": "text", ".md": "text"}
"""Suffixes of files that are lists; other files are images."""


class SourceFault(ValueError):
    """A source is neither there nor a URL, or a list has a fault."""


@dataclass(frozen=True, slots=True)
class Link:
    """An image at a URL.

    Attributes:
        params: of the import, ``url`` among them.
    """

    params: Mapping[str, Any] = field(repr=False, hash=False)
    after: str = ""
    awaited: str = ""

    @property
    def label(self) -> str:
        """The URL, or the first of several."""
        url = self.params["url"]
        return str(url[0] if isinstance(url, list) and url else url)

    @property
    def entry(self) -> Mapping[str, Any]:
        """The line of a list that stands for it."""
        return self.params


@dataclass(frozen=True, slots=True)
class LocalFile:
    """An image in a file.

    Attributes:
        path: absolute.
        size: bytes.
        changed: when it was changed, in nanoseconds.
        params: of the import.
        after: see ``Link``.
        awaited: the import that has not ended in time, if it does.
    """

    path: Path
    size: int
    changed: int
    params: Mapping[str, Any] = field(repr=False, hash=False)
    after: str = ""

    @property
    def label(self) -> str:
        """The path, below the working directory as people write it."""
        here = Path.cwd()
        return str(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)

    @property
    def entry(self) -> Mapping[str, Any]:
        """The line of a list that stands for it."""
        return {"file": str(self.path), **self.params}


Item = Link | LocalFile


@dataclass(frozen=True, slots=True)
class Sources:
    """What to import; it may be read several times.

    Attributes:
        names: URLs, paths, and ``-``.
        common: parameters of all imports; those of a list's entry take precedence.
        form: of lists that do not tell it by their names; None to guess it.
        stdin: a copy of standard input, which ``-`` stands for.
        is_checked: whether all of it was read before: a file that is gone since then is an item that fails.
        tell: gets a sentence for each text in which links were found.
    """

    names: Sequence[str]
    common: Mapping[str, Any]
    form: str | None = None
    stdin: Path | None = None
    is_checked: bool = False
    tell: Callable[[str], None] = lambda _: None

    def __iter__(self) -> Iterator[Item]:
        """The items in the order of their sources; those of a folder by their names.

        Raises:
            SourceFault: a source is not there, or an entry of a list is malformed.
            OSError: a file cannot be read.
        """
        for name in self.names:
            if name == STDIN and self.stdin is not None:
                yield from self._listed(self.stdin, "standard input", self.form)
            elif is_url(name):
                yield Link(self._with({"url": name}))
            else:
                yield from self._at(Path(name), name)

    def _at(self, path: Path, name: str) -> Iterator[Item]:
        if path.is_dir():
            for found in _below(path):
                yield self._file(found, {})
        elif not path.exists():
            hint = f" Did you mean https://{name}?" if "." in name.partition("/")[0] and "/" in name else ""
            raise SourceFault(f"{name!r} is neither a file nor a URL.{hint}")
        elif path.suffix.lower() in LISTS:
            yield from self._listed(path, name, self.form or LISTS[path.suffix.lower()])
        else:
            yield self._file(path, {})

    def _listed(self, path: Path, name: str, form: str | None) -> Iterator[Item]:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                first = next((line for line in file if line.strip()), "")
                file.seek(0)
                form = form or form_of(first)
                if form == "text" and is_prose(file):
                    file.seek(0)
                    yield from self._found(file, name)
                    return
                file.seek(0)
                for entry in read(file, form):
                    own = {key: value for key, value in entry.items() if key not in ("error", "file")}
                    after = _failed(entry)
                    if "file" in entry:
                        yield self._file(path.parent / str(entry["file"]), own, after)
                    else:
                        yield Link(self._with(own), after, _awaited(entry))
        except ListFault as error:
            raise SourceFault(f"{name}: {error}") from None
        except UnicodeDecodeError:
            raise SourceFault(f"{name} is not UTF-8.") from None

    def _found(self, lines: Iterable[str], name: str) -> Iterator[Link]:
        """The links in prose."""
        found = Found()
        for url in links_of(lines, found):
            yield Link(self._with({"url": url}))
        if not found.links:
            raise SourceFault(f"There is no link in {name}.")
        self.tell(f"{name}: {found}")

    def _file(self, path: Path, own: Mapping[str, Any], after: str = "") -> LocalFile:
        try:
            found = path.stat()
        except FileNotFoundError:
            if self.is_checked:
                return LocalFile(path.absolute(), 0, 0, self._with(own), after)
            raise SourceFault(f"{str(path)!r} is not there.") from None
        return LocalFile(path.absolute(), found.st_size, found.st_mtime_ns, self._with(own), after)

    def _with(self, own: Mapping[str, Any]) -> Mapping[str, Any]:
        return merged(self.common, own)


def _failed(entry: Mapping[str, Any]) -> str:
    """The import that failed, or the code where there was none: the entry is to be imported anew."""
    error = entry.get("error")
    if not isinstance(error, dict) or error.get("code") == TIMED_OUT:
        return ""
    return str(error.get("import_id") or error.get("code") or "")


def _awaited(entry: Mapping[str, Any]) -> str:
    """The import that goes on, though nobody waited for its end."""
    error = entry.get("error")
    if not isinstance(error, dict) or error.get("code") != TIMED_OUT:
        return ""
    return str(error.get("import_id") or "")


def _below(folder: Path) -> Iterator[Path]:
    """The regular files below a folder, without hidden ones."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path
