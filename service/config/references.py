"""References: ``$env:NAME`` and ``$file:path`` are replaced by a variable or a file, so that secrets can stay
elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .ini import Entry

MAX_BYTES = 64 * 1024


class ReferenceBroken(Exception):
    """A reference cannot be resolved; the message says why, without any value."""


@dataclass(frozen=True, slots=True)
class References:
    """Resolves references.

    Attributes:
        environ: the environment, for ``$env:``.
        folder: the folder of relative paths in ``$file:``.
    """

    environ: Mapping[str, str]
    folder: Path

    def resolve(self, entry: Entry) -> Entry:
        """The entry with its reference resolved; any other entry unchanged.

        The result is used as it is, even if it looks like a reference. ``$`` is special nowhere else.

        Raises:
            ReferenceBroken: the variable is not set; the file cannot be read, is larger than 64 KiB or not UTF-8.
        """
        if entry.value.startswith("$env:"):
            return Entry(self._variable(entry.value.removeprefix("$env:")), entry.where)
        if entry.value.startswith("$file:"):
            return Entry(self._content(entry.value.removeprefix("$file:")), entry.where)
        return entry

    def _variable(self, name: str) -> str:
        if name not in self.environ:
            hint = "; a comment needs a line of its own" if "#" in name or ";" in name else ""
            raise ReferenceBroken(f"the environment variable '{name}' is not set{hint}")
        value = self.environ[name]
        if not is_utf8(value):
            raise ReferenceBroken(f"the environment variable '{name}' is not UTF-8")
        return value

    def _content(self, path: str) -> str:
        """The file's text without its last line break, which editors and ``echo`` add."""
        try:
            with (self.folder / path).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise ReferenceBroken(f"the file '{path}' is larger than {MAX_BYTES} bytes")
            return content.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except OSError as error:
            reason = error.strerror
        except UnicodeDecodeError:
            reason = "it is not UTF-8"
        except ValueError:
            reason = "its path is not valid"
        raise ReferenceBroken(f"the file '{path}' cannot be read: {reason}")


def is_utf8(text: str) -> bool:
    """Whether the text can be encoded. Python keeps undecodable bytes of the environment as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
