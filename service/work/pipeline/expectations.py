"""A client's expectations of an image: ``expect[sha256]``, ``expect[min_width]`` and so on. An unmet expectation fails
the import.

Lading compares an image after detection and before the save, so it never stores an unexpected image.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ....plugins.errors import PluginError
from ...errors.catalogue import ApiError

_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TYPE: Final = re.compile(r"[!#$&^_.+0-9a-z-]{1,63}/[!#$&^_.+0-9a-z-]{1,63}")
_FORMAT: Final = re.compile(r"[A-Z0-9]{1,32}")


class ExpectationFailed(PluginError):
    """The image does not meet an expectation. No plugin raises this error, but it ends an attempt like a plugin's
    error.
    """

    code = "expectation_failed"
    public_text = "The image's {fact} is {found}, which does not meet expect[{expectation}]."


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of an image that are known before the save."""

    format: str
    content_type: str
    width: int
    height: int
    orientation: int | None
    frames: int
    byte_size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """An expectation.

    Attributes:
        fact: the fact that it concerns.
        pattern: of valid values, in their canonical form.
        form: the form of valid values, for people.
        is_met: whether the fact meets the expected value.
    """

    fact: str
    pattern: re.Pattern[str]
    form: str
    is_met: Callable[[Any, str], bool]


def _equal(pattern: re.Pattern[str], form: str, fact: str) -> _Rule:
    return _Rule(fact, pattern, form, lambda found, wanted: found == wanted)


def _least(fact: str) -> _Rule:
    return _Rule(fact, _NUMBER, "a whole number", lambda found, wanted: found >= int(wanted))


def _most(fact: str) -> _Rule:
    return _Rule(fact, _NUMBER, "a whole number", lambda found, wanted: found <= int(wanted))


_MEASURES: Final = ("width", "height", "frames", "byte_size")
RULES: Final[Mapping[str, _Rule]] = {
    "sha256": _equal(_SHA256, "64 lower-case hexadecimal digits", "sha256"),
    "content_type": _equal(_TYPE, "a media type in lower case", "content_type"),
    "format": _equal(_FORMAT, "a format by Pillow's name, such as JPEG", "format"),
    **{f"min_{measure}": _least(measure) for measure in _MEASURES},
    **{f"max_{measure}": _most(measure) for measure in _MEASURES},
}
"""Every expectation, by its name."""


def validate_expectations(expect: Any, formats: Mapping[str, frozenset[str]] | None = None) -> None:
    """Refuse unknown expectations, impossible values, and combinations that no image can meet.

    Args:
        expect: as sent.
        formats: possible formats of images with their media types; None if they are unknown.

    Raises:
        ApiError: ``parameter_invalid``, naming the first expectation at fault.
    """
    if expect is None:
        return
    if not isinstance(expect, Mapping):
        raise _invalid("expect", "must be an object")
    for name, value in expect.items():
        if name not in RULES:
            raise _invalid(f"expect[{name}]"[:100], f"is unknown; the expectations are {', '.join(RULES)}")
        if not RULES[name].pattern.fullmatch(_text(value, RULES[name])):
            raise _invalid(f"expect[{name}]", f"must be {RULES[name].form}")
    for measure in _MEASURES:
        least, most = expect.get(f"min_{measure}"), expect.get(f"max_{measure}")
        if least is not None and most is not None and int(most) < int(least):
            raise _invalid(f"expect[max_{measure}]", f"is less than expect[min_{measure}]")
    if formats is not None:
        _validate_format(expect.get("format"), expect.get("content_type"), formats)


def expectations_schema(formats: Mapping[str, frozenset[str]] | None = None) -> Mapping[str, Any]:
    """The values that ``validate_expectations`` accepts, as JSON Schema, without the rules between two expectations."""
    known: dict[str, Any] = {}
    for name, rule in RULES.items():
        text = {"type": "string", "pattern": f"^({rule.pattern.pattern})$", "description": rule.form}
        number = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
        known[name] = {"anyOf": [text, number]} if rule.pattern is _NUMBER else text
    if formats is not None:
        known["format"] = {"enum": sorted(formats)}
        known["content_type"] = {"enum": sorted(frozenset[str]().union(*formats.values()))}
    return {"type": ["object", "null"], "properties": known, "additionalProperties": False}


def _validate_format(name: str | None, content_type: str | None, formats: Mapping[str, frozenset[str]]) -> None:
    if name is not None and name not in formats:
        raise _invalid("expect[format]", f"is never met: the formats are {', '.join(formats)}")
    types = frozenset[str]().union(*formats.values()) if name is None else formats[name]
    if content_type is not None and content_type not in types:
        of_what = "the media types" if name is None else f"those of {name}"
        raise _invalid("expect[content_type]", f"is never met: {of_what} are {', '.join(sorted(types))}")


def check_expectations(expect: Any, facts: Facts) -> None:
    """Compare an image with its expectations.

    Raises:
        ExpectationFailed: naming the first unmet expectation.
    """
    for name, value in expect.items() if isinstance(expect, Mapping) else ():
        rule = RULES.get(name)
        if rule is None or not rule.pattern.fullmatch(_text(value, rule)):
            # An earlier version accepted such values and kept them as sent.
            raise ExpectationFailed(expectation=name[:100], fact="fact", found="unknown")
        found = getattr(facts, rule.fact)
        if not rule.is_met(found, _text(value, rule)):
            raise ExpectationFailed(expectation=name, fact=rule.fact, found=found)


def _text(value: Any, rule: _Rule) -> str:
    """The value as a form would send it: JSON may send a number instead."""
    if isinstance(value, int) and not isinstance(value, bool) and rule.pattern is _NUMBER:
        return str(value)
    return value if isinstance(value, str) else ""


def _invalid(parameter: str, reason: str) -> ApiError:
    return ApiError("parameter_invalid", parameter=parameter, reason=reason)
