"""Overrides from the environment: ``LADING_<SECTION>__<KEY>``, such as ``LADING_STORAGE_S3__BUCKET``.

Letters may be of either case, and every character of a section's name other than a letter or digit becomes ``_``.
Lading ignores variables without a double underscore, unless they are an option's name with one underscore missing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...plugins.host.validation import did_you_mean
from .faults import Fault
from .ini import Entry, Sections
from .references import is_utf8

PREFIX = "LADING_"

Addressable = Mapping[str, frozenset[str] | None]
"""Sections that may be overridden, with their keys, or None for any key."""


@dataclass(frozen=True, slots=True)
class Override:
    """A variable that may be an override."""

    variable: str
    entry: Entry

    @property
    def body(self) -> str:
        """The rest after the prefix, in lower case."""
        return self.variable[len(PREFIX) :].lower()


def variable_name(section: str, key: str) -> str:
    """The variable that overrides an option."""
    return f"{PREFIX}{_normalised(section)}__{key}".upper()


def find_overrides(environ: Mapping[str, str]) -> list[Override]:
    """Every variable with our prefix, by name."""
    names = sorted(name for name in environ if name.upper().startswith(PREFIX))
    return [Override(name, Entry(environ[name], name)) for name in names]


def apply_overrides(
    overrides: Iterable[Override], addressable: Addressable, sections: Sections
) -> tuple[list[Override], list[Fault]]:
    """Write overrides of the addressable sections into ``sections``.

    Returns:
        the overrides that address no section, and the faults of the others.
    """
    unmatched = []
    faults = []
    written: dict[tuple[str, str], str] = {}
    for override in overrides:
        places = _places(override.body, addressable)
        if not places:
            unmatched.append(override)
            continue
        section, key = places[0]
        other = written.setdefault((section, key), override.variable)
        if len(places) > 1:
            names = " and ".join(f"[{section}] {key}" for section, key in places)
            faults.append(
                Fault(f"can mean both {names}; set the option in service.conf instead", where=override.variable)
            )
        elif other != override.variable:
            faults.append(
                Fault(f"is also set by {other}; keep one of the two variables", section, key, override.variable)
            )
        elif not is_utf8(override.entry.value):
            faults.append(Fault("is not UTF-8", section, key, override.variable))
        else:
            sections.setdefault(section, {})[key] = override.entry
    return unmatched, faults


def unmatched_faults(overrides: Iterable[Override], addressable: Addressable) -> list[Fault]:
    """Faults of overrides that address nothing."""
    faults = []
    for override in overrides:
        _, separator, key = override.body.partition("__")
        known = [
            variable_name(section, name)
            for section, keys in addressable.items()
            for name in ((key,) if keys is None else keys)
        ]
        if separator or any(name.lower().replace("__", "_") == override.variable.lower() for name in known):
            hint = did_you_mean(override.variable, known)
            faults.append(Fault(f"overrides no known option{hint}", where=override.variable))
    return faults


def _places(body: str, addressable: Addressable) -> list[tuple[str, str]]:
    places = []
    for section, keys in addressable.items():
        start = f"{_normalised(section)}__"
        key = body.removeprefix(start)
        if body.startswith(start) and key and (keys is None or key in keys):
            places.append((section, key))
    return places


def _normalised(section: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", section.lower())
