"""How cases judge what a plugin of any kind takes and raises."""

import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..errors import PluginError

_CODE: Final = re.compile(r"[a-z][a-z0-9_]*")
_TOKEN: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]*"  # noqa: S105 - RFC 6838 section 4.2 calls it a restricted name
_MEDIA_TYPE: Final = re.compile(rf"{_TOKEN}/{_TOKEN}")


def is_code(text: str) -> bool:
    """Whether it is a stable code: lower case, digits and underscores."""
    return _CODE.fullmatch(text) is not None


def is_media_type(text: str) -> bool:
    """Whether it is a media type in lower case and without parameters."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def assert_well_formed(error: PluginError, what: str) -> None:
    """The error can be shown to a client and to an operator."""
    assert _CODE.fullmatch(error.code), f"{what}: the code {error.code!r}"
    assert type(error.retryable) is bool, f"{what}: retryable is {error.retryable!r}"
    assert error.detail.strip(), f"{what}: no text for the client"
    assert error.detail.isprintable(), f"{what}: control characters in the text for the client: {error.detail!r}"
    assert isinstance(error.internal, str), f"{what}: internal is {error.internal!r}"
    assert str(error), f"{what}: no text for the operator"


@contextmanager
def bounded_memory(what: str, most: int) -> Iterator[None]:
    """Fail if more than ``most`` bytes are allocated in this process meanwhile; what children take is not seen."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{what}: {peak >> 20} MiB of memory"
