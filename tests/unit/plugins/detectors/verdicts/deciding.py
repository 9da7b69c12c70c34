"""The decoder's verdict about bytes, without a child process: for many small cases."""

import tempfile
import warnings
from typing import Any

from lading.plugins.detectors.pillow import decode
from lading.plugins.detectors.pillow.detector import PillowOptions
from lading.plugins.detectors.pillow.limits import Recognised, Refused

MODES = ("pixels", "structure")


def verdict(data: bytes, **options: Any) -> Recognised | Refused:
    """What the detector says of a file of these bytes, with these options."""
    with tempfile.TemporaryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata
        file.write(data)
        file.seek(0)
        try:
            return decode.recognise(file, PillowOptions(**options).limits)
        except Refused as refused:
            return refused


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
