"""The names of objects in a bucket, and the file name that is sent with an object."""

from typing import Final
from urllib.parse import quote

from ...plugins.contracts import ObjectMetadata
from ...plugins.disposition import content_disposition
from ...plugins.keys import is_key

PLACEHOLDER: Final = "{key}"
_UNRESERVED: Final = "!#$&+-.^_`|~"
"""The characters that RFC 8187 section 3.2.1 leaves unescaped, in addition to letters and digits."""


class Names:
    """The names of objects for keys, and back.

    Args:
        prefix: the beginning of every name.
        template: the rest of the name, with one ``{key}``.
    """

    def __init__(self, prefix: str, template: str) -> None:
        before, _, self._after = template.partition(PLACEHOLDER)
        self._before = prefix + before
        self.probe = f"{prefix}.lading-probe"
        """Name of the object that ``ping`` writes; no key has it."""

    def name(self, key: str) -> str:
        """The object's name."""
        return f"{self._before}{key}{self._after}"

    def beginning(self, prefix: str) -> str:
        """The common beginning of the names whose keys begin with the prefix."""
        return self._before + prefix

    def key(self, name: str) -> str | None:
        """The key, or None for an object of another program."""
        if not name.startswith(self._before) or not name.endswith(self._after):
            return None
        key = name[len(self._before) : len(name) - len(self._after)]
        return key if is_key(key) else None


def disposition_of(metadata: ObjectMetadata) -> str:
    """The ``Content-Disposition`` of an object: the given file name, and whether browsers may show the object."""
    return content_disposition(metadata.filename, inline=metadata.content_type.startswith("image/"))


def header_value(text: str) -> str:
    """The text for a header: percent-encoded if it is not plain ASCII."""
    return quote(text, safe="/:;,=+*()@ " + _UNRESERVED).strip()
