"""What objects are called in a bucket, and the file name that is sent along with one."""

from typing import Final
from urllib.parse import quote

from ...plugins.contracts import ObjectMetadata
from ...plugins.disposition import content_disposition
from ...plugins.keys import is_key

PLACEHOLDER: Final = "{key}"
_UNRESERVED: Final = "!#$&+-.^_`|~"
"""What RFC 8187 section 3.2.1 leaves unescaped besides letters and digits."""


class Names:
    """How keys and the names of objects belong together: one name for each key, and back.

    Args:
        prefix: put before every name as it is.
        template: what follows it, with ``{key}`` in it once.
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
        """How the names of all keys begin that begin with the prefix."""
        return self._before + prefix

    def key(self, name: str) -> str | None:
        """The key, or None for an object that is not ours."""
        if not name.startswith(self._before) or not name.endswith(self._after):
            return None
        key = name[len(self._before) : len(name) - len(self._after)]
        return key if is_key(key) else None


def disposition_of(metadata: ObjectMetadata) -> str:
    """The ``Content-Disposition`` of an object: the file name that it was given, and whether browsers may show it."""
    return content_disposition(metadata.filename, inline=metadata.content_type.startswith("image/"))


def header_value(text: str) -> str:
    """The text as a header can hold it: percent-encoded where it is not plain ASCII."""
    return quote(text, safe="/:;,=+*()@ " + _UNRESERVED).strip()
