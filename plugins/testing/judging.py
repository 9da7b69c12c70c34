"""How cases judge what a plugin of any kind takes and raises."""

import logging
import re
import traceback
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


def everything_logged(error: BaseException) -> Iterator[tuple[str, str]]:
    """All that a log could show of an error, causes included: each text, with what it is and where it was raised."""
    at: BaseException | None = error
    while at is not None:
        frames = traceback.extract_tb(at.__traceback__)
        where = (
            f", raised in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        )
        role = "the error" if at is error else "its cause"
        yield f"{at!r} {at}", f"{role} {type(at).__name__}{where}"
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    yield "".join(traceback.format_exception(error)), "the traceback"


@contextmanager
def recorded() -> Iterator[list[tuple[str, str]]]:
    """What is logged meanwhile, at any level: each line, with its logger and its place."""
    lines: list[tuple[str, str]] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            place = f" by the logger {record.name!r} in {record.funcName} ({record.filename}:{record.lineno})"
            lines.append((logging.Formatter().format(record), place))

    root = logging.getLogger()
    recorder, level = Recorder(), root.level
    root.addHandler(recorder)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(recorder)
