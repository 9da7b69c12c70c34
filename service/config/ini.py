"""Parses INI text: sections of options as text, without interpolation, with every syntax fault and its line."""

import re
from configparser import (
    ConfigParser,
    DuplicateOptionError,
    DuplicateSectionError,
    MissingSectionHeaderError,
    ParsingError,
)
from dataclasses import dataclass, field
from pathlib import Path

from .faults import Fault, SettingsError

MAX_BYTES = 1024 * 1024
MAX_SYNTAX_FAULTS = 100
_TWICE = "appears twice; keep one of them"
_SET_ASIDE = "\0"
"""Begins the name that replaces a faulty line while the rest is read; the text itself cannot contain this character."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of an option as text, and its place (see ``Fault.where``). It may be a secret: no repr."""

    value: str = field(repr=False)
    where: str


Section = dict[str, Entry]
Sections = dict[str, Section]


class _Parser(ConfigParser):
    # The header must be the whole line; the inherited pattern ignores the text behind the bracket.
    SECTCRE = re.compile(r"\[(?P<header>[^]]+)\]$")

    def __init__(self) -> None:
        super().__init__(
            interpolation=None,
            strict=True,
            delimiters=("=",),
            empty_lines_in_values=False,
            default_section="\n",  # no header can hold it: options are never inherited from [DEFAULT]
        )


def read_conf(path: Path) -> tuple[Sections, list[Fault]]:
    """Read and parse a file; see ``parse_ini``.

    Raises:
        SettingsError: it cannot be read, is larger than 1 MiB or not UTF-8, or as ``parse_ini``.
    """
    return parse_ini(_read(path), str(path))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a valid path"
        raise SettingsError([Fault(f"cannot be read: {reason}", where=str(path))]) from error
    if len(content) > MAX_BYTES:
        raise SettingsError([Fault(f"is larger than {MAX_BYTES} bytes", where=str(path))])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    raise SettingsError([Fault("is not UTF-8", where=f"{path}:{line}")])


def parse_ini(text: str, name: str) -> tuple[Sections, list[Fault]]:
    """Parse INI text; ``name`` is its name in the faults.

    A faulty line is set aside and the text is parsed again, since configparser stops at the first fault of most kinds.

    Returns:
        the sections without the faulty lines, and the faults.

    Raises:
        SettingsError: the text contains a NUL, or too many syntax faults to list.
    """
    if _SET_ASIDE in text:
        line = text.count("\n", 0, text.index(_SET_ASIDE)) + 1
        raise SettingsError([Fault("contains a NUL character; remove it", where=f"{name}:{line}")])
    lines = text.split("\n")
    faults: dict[int, Fault] = {}
    while len(faults) < MAX_SYNTAX_FAULTS:
        parser = _Parser()
        try:
            parser.read_string("\n".join(lines))
        except DuplicateSectionError as error:
            number = _set_aside(lines, error.lineno, "[{}]")
            faults[number] = Fault(_TWICE, str(error.section), where=f"{name}:{number}")
        except DuplicateOptionError as error:
            number = _set_aside(lines, error.lineno, "{} =")
            faults[number] = Fault(_TWICE, str(error.section), error.option, where=f"{name}:{number}")
        except MissingSectionHeaderError as error:
            lines[error.lineno - 1] = ""
            faults[error.lineno] = Fault(
                "is before the first [section]; move it into a section", where=f"{name}:{error.lineno}"
            )
        except ParsingError as error:
            for number, _ in error.errors:
                _set_aside(lines, number, "{} =")
                faults[number] = Fault("is neither [section] nor key = value", where=f"{name}:{number}")
        else:
            return _sections(parser, name), [faults[number] for number in sorted(faults)]
    raise SettingsError([*faults.values(), Fault("has more syntax faults; this list has the first ones", where=name)])


def _set_aside(lines: list[str], number: int | None, form: str) -> int:
    """Give a faulty line a unique name, with the same indentation, so that the lines around it keep their meaning."""
    if number is None:  # only where a parser is filled without a file
        raise ValueError("the fault has no line")
    line = lines[number - 1]
    depth = line[: len(line) - len(line.lstrip())]
    lines[number - 1] = depth + form.format(f"{_SET_ASIDE}{number}")
    return number


def _sections(parser: ConfigParser, name: str) -> Sections:
    return {
        section: {
            option: Entry(value, name) for option, value in parser.items(section) if not option.startswith(_SET_ASIDE)
        }
        for section in parser.sections()
        if not section.startswith(_SET_ASIDE)
    }
