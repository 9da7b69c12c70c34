"""The decoder's verdict about bytes, without a child process: for many small cases."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from PIL import AvifImagePlugin, Image, PngImagePlugin

from lading.plugins.detectors.pillow import decode
from lading.plugins.detectors.pillow.detector import PillowOptions
from lading.plugins.detectors.pillow.limits import Limits, Recognised, Refused

MODES = ("pixels", "structure")
_GLOBALS: Final = (
    (Image, "MAX_IMAGE_PIXELS"),
    (PngImagePlugin, "MAX_TEXT_CHUNK"),
    (AvifImagePlugin, "DEFAULT_MAX_THREADS"),
)


@contextmanager
def settings_of_a_child(limits: Limits) -> Iterator[None]:
    """What ``decode.configure`` sets for a whole process, for the block alone."""
    kept = [(module, name, getattr(module, name)) for module, name in _GLOBALS]
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        decode.configure(limits)
        try:
            yield
        finally:
            logging.disable(disabled)
            for module, name, value in kept:
                setattr(module, name, value)


def verdict_within(data: bytes, limits: Limits, *, may_be_costly: bool = True) -> Recognised | Refused:
    """What the decoder says of a file of these bytes.

    Raises:
        Costly: see ``decode.recognise``.
    """
    with tempfile.TemporaryFile() as file, settings_of_a_child(limits):
        file.write(data)
        file.seek(0)
        try:
            return decode.recognise(file, limits, may_be_costly=may_be_costly)
        except Refused as refused:
            return refused


def verdict(data: bytes, **options: Any) -> Recognised | Refused:
    """The same of the detector with these options."""
    return verdict_within(data, PillowOptions(**options).limits)


def recognised(data: bytes, **options: Any) -> Recognised:
    """The same of a file that must be recognised."""
    found = verdict(data, **options)
    assert isinstance(found, Recognised), (found.code, found.facts, found.internal)
    return found


def refusal(data: bytes, **options: Any) -> tuple[str, str]:
    """The code of the refusal of a file that must be refused, and the format or the reason that it names."""
    found = verdict(data, **options)
    assert isinstance(found, Refused), found
    return found.code, str(found.facts.get("reason", found.facts.get("format", "")))
