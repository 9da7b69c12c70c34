"""Which options differ between two configurations, by their names: values may be secrets."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from ....plugins.host.registry import GROUPS
from ...config import Components, Settings
from ...config.sections.service import ISSUER_PREFIX, PLUGIN_KEY, SECTIONS


class Option(NamedTuple):
    """An option of ``service.conf``; a whole section where ``name`` is empty."""

    section: str
    name: str = ""

    def __str__(self) -> str:
        return f"[{self.section}] {self.name}".rstrip()


Values = Mapping[Option, Any]


def values_of(settings: Settings, components: Components) -> Values:
    """The value of every option, defaults included. An issuer is one value."""
    found: dict[Option, Any] = {}
    for section in SECTIONS:
        found |= _of(section, getattr(settings, section.replace(".", "_")))
    found |= {Option(ISSUER_PREFIX + issuer.id): issuer for issuer in settings.issuers.values()}
    for kind in GROUPS:
        for name, component in components.of(kind).items():
            found |= _of(f"{kind}.{name}", component.options)
            found[Option(f"{kind}.{name}", PLUGIN_KEY)] = component.plugin.cls
    return found


def changed(before: Values, after: Values) -> list[Option]:
    """The options whose value differs, in order. A plugin that comes or goes differs in the option that names it, and
    its own options are left out.
    """
    sections = {option.section for option in before} & {option.section for option in after}
    names = dict.fromkeys([*before, *after])
    nothing = object()
    return sorted(
        option
        for option in names
        if (option.section in sections or not option.name) and before.get(option, nothing) != after.get(option, nothing)
    )


def _of(section: str, options: BaseModel) -> dict[Option, Any]:
    fields = type(options).model_fields
    return {Option(section, field.alias or name): getattr(options, name) for name, field in fields.items()}
