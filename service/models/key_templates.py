"""Templates of storage keys, such as ``{organization}/{album}/{date}/{id}``.

A key ends with the id of its import. So two imports never have one key, whatever clients name their albums, and the
import of an object is found by the key of the object alone (``Image.import_id``).
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ...plugins.keys import MAX_KEY_LENGTH, is_key
from .fields import LONGEST_REKEYED, ImportFields

MAX_VALUE_LENGTH: Final = 64
"""Most characters of a key that an organisation or an album takes up. A longer one is cut, and a digest of it added."""
MAX_TEMPLATE_KEY: Final = MAX_KEY_LENGTH - LONGEST_REKEYED
"""The longest key that a template may make."""
_DIGEST_LENGTH: Final = 16
_ID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PIECES: Final = re.compile(r"(\{[^{}]*\})")
_LITERAL: Final = re.compile(r"[a-z0-9._/-]*")


@dataclass(frozen=True, slots=True)
class _Placeholder:
    """A value of an import in a key.

    Attributes:
        value: the value, in characters of keys.
        pattern: matches every value.
        length: of the longest value.
    """

    value: Callable[[ImportFields], str]
    pattern: str
    length: int


PLACEHOLDERS: Final[Mapping[str, _Placeholder]] = MappingProxyType(
    {
        "{organization}": _Placeholder(
            lambda one: encoded(one.organization_id), rf"[a-z0-9_-]{{1,{MAX_VALUE_LENGTH}}}", MAX_VALUE_LENGTH
        ),
        "{album}": _Placeholder(
            lambda one: encoded(one.album_id or ""), rf"[a-z0-9_-]{{1,{MAX_VALUE_LENGTH}}}", MAX_VALUE_LENGTH
        ),
        "{date}": _Placeholder(lambda one: f"{one.created_at:%Y-%m-%d}", r"[0-9]{4}-[0-9]{2}-[0-9]{2}", 10),
        "{shard}": _Placeholder(lambda one: one.id[:2], r"[0-9a-f]{2}", 2),
        "{id}": _Placeholder(lambda one: one.id, _ID, 36),
    }
)


def encoded(text: str) -> str:
    """A text of a stranger as 1 to 64 characters of ``a-z 0-9 - _``.

    Different texts have different results: every byte of UTF-8 other than ``a-z 0-9 -`` becomes ``_`` and two
    hexadecimal digits, and the empty text becomes ``_``. A result that would be too long is cut, and ends in ``_x`` and
    64 bits of the SHA-256 of the text.
    """
    raw = text.encode("utf-8", "surrogatepass")
    result = "".join(chr(byte) if chr(byte) in _KEPT else f"_{byte:02x}" for byte in raw) or "_"
    if len(result) <= MAX_VALUE_LENGTH:
        return result
    digest = hashlib.sha256(raw).hexdigest()[:_DIGEST_LENGTH]
    return f"{result[: MAX_VALUE_LENGTH - 2 - _DIGEST_LENGTH]}_x{digest}"


_KEPT: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """A valid template.

    Attributes:
        text: as the operator writes it.
    """

    text: str

    @classmethod
    def parsed(cls, text: str) -> "KeyTemplate":
        """The template with this text.

        Raises:
            ValueError: it makes no good keys; the message names the faulty part.
        """
        for piece in _PIECES.split(text):
            if piece.startswith("{") and piece.endswith("}"):
                if piece not in PLACEHOLDERS:
                    known = ", ".join(PLACEHOLDERS)
                    raise ValueError(f"'{text}' has the unknown placeholder {piece}; the placeholders are {known}")
            elif not _LITERAL.fullmatch(piece):
                raise ValueError(f"'{text}' has '{piece}', and a key has the characters a-z 0-9 - _ . / only")
        segments = text.split("/")
        for segment in segments:
            if not segment or segment.startswith("."):
                fault = f"the segment '{segment}', which begins with a dot" if segment else "an empty segment"
                raise ValueError(f"'{text}' has {fault}")
        if segments[-1] != "{id}" or text.count("{id}") != 1:
            raise ValueError(
                f"'{text}' must have {{id}} once, as its last segment: by it the keys differ, and the import of an"
                " object is found"
            )
        longest = sum(PLACEHOLDERS[one].length if one in PLACEHOLDERS else len(one) for one in _PIECES.split(text))
        if longest > MAX_TEMPLATE_KEY:
            raise ValueError(f"'{text}' makes keys of up to {longest} characters; {MAX_TEMPLATE_KEY} are the most")
        return cls(text)

    def key_of(self, document: ImportFields) -> str:
        """The key of an import.

        Raises:
            ValueError: the import has an id that is no key, which no import of Lading has.
        """
        parts = (PLACEHOLDERS[one].value(document) if one in PLACEHOLDERS else one for one in _PIECES.split(self.text))
        key = "".join(parts)
        if not is_key(key):
            raise ValueError(f"not a storage key: {key[: MAX_KEY_LENGTH + 1]!r}")
        return key

    def makes(self, key: str) -> bool:
        """Whether the template makes such keys."""
        parts = (
            PLACEHOLDERS[one].pattern if one in PLACEHOLDERS else re.escape(one) for one in _PIECES.split(self.text)
        )
        return re.fullmatch("".join(parts), key) is not None


DEFAULT_KEYS: Final = KeyTemplate("{shard}/{id}")
"""The template of ``ImportFields.own_key`` without a key of its own."""
