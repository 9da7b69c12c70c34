"""How ``lading plugins`` prints plugins: for people, and as JSON."""

import dataclasses
import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from ....plugins.contracts import CONTRACT_VERSION
from ....plugins.host.registry import Kind
from .catalogue import OptionEntry, PluginEntry

WIDTHS: Final = range(80, 121)
"""The least and the largest width of lines; between them, the width of the terminal."""

_UNKNOWN_TERMINAL: Final = (100, 24)
_TITLES: Mapping[Kind, str] = {
    "fetch": "Fetchers: [fetch] plugins",
    "detect": "Detectors, in the order of [detect] plugins",
    "process": "Processors, in the order of [process] plugins",
    "storage": "Storages: [storage] backend",
}
_INDENT: Final = 4
_MAX_COLUMN: Final = 34


def as_json(entries: Sequence[PluginEntry]) -> str:
    """All facts, as one JSON document."""
    plugins = [dataclasses.asdict(entry) for entry in entries]
    return json.dumps({"contract_version": CONTRACT_VERSION, "plugins": plugins}, ensure_ascii=False, indent=2)


def as_text(entries: Sequence[PluginEntry], width: int | None = None) -> Iterator[str]:
    """The list as lines for people.

    Args:
        entries: ordered by kind.
        width: of the lines; by default that of the terminal, within ``WIDTHS``.
    """
    width = width or min(max(shutil.get_terminal_size(_UNKNOWN_TERMINAL).columns, WIDTHS[0]), WIDTHS[-1])
    yield "A * marks a configured plugin. Options have their defaults."
    for kind, group in groupby(entries, lambda entry: entry.kind):
        yield ""
        yield _TITLES[kind]
        for entry in group:
            yield from _plugin(entry, width)


def _plugin(entry: PluginEntry, width: int) -> Iterator[str]:
    parts = [entry.name, f"{entry.distribution} {entry.version}"]
    if entry.broken is not None:
        parts.append("BROKEN")
    else:
        parts += [f"contract {entry.contract_version}", *entry.capabilities]
    yield ""
    yield f"{'*' if entry.configured else ' '} {', '.join(parts)}".rstrip()
    if entry.broken is not None:
        yield from _wrapped(entry.broken, width, " " * _INDENT)
    elif entry.options:
        yield f"{' ' * _INDENT}[{entry.kind}.{entry.name}]"
        yield from _options(entry.options, width)


def _options(options: Sequence[OptionEntry], width: int) -> Iterator[str]:
    """Name and default as in ``service.conf``, then type and help, on the same line or below a long one."""
    left = [f"{' ' * _INDENT}{option.name}{_default(option)}" for option in options]
    column = min(max(map(len, left)) + 2, _MAX_COLUMN)
    for option, text in zip(options, left, strict=True):
        told = f"{option.help} ({option.type})" if option.help else f"({option.type})"
        beside = len(text) + 2 <= column
        if not beside:
            yield from _wrapped(text.strip(), width, " " * _INDENT, " " * 2 * _INDENT)
        first = text.ljust(column) if beside else " " * column
        yield from _wrapped(told, width, first, " " * column)


def _default(option: OptionEntry) -> str:
    if option.required:
        return " (required)"
    if option.secret:
        return " (secret)"
    return f" = {option.default}".rstrip()


def _wrapped(text: str, width: int, first: str, rest: str | None = None) -> list[str]:
    rest = first if rest is None else rest
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
