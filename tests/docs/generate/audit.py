"""Every event of the audit log, from the list of actions."""

from textwrap import fill
from typing import Final

from lading.service.observe.audit.actions import Action

WIDTH: Final = 96


def events() -> str:
    """The part, in Markdown."""
    return "\n\n".join(map(_entry, Action))


def _entry(action: Action) -> str:
    described = fill(action.help, WIDTH, break_on_hyphens=False).replace("\n", "\n    ")
    return f"`{action.value}` {{ #{action.value} }}\n:   {described}"
