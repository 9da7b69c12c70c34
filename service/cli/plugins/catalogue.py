"""The facts about every installed plugin; for a broken plugin, the reason."""

import contextlib
import enum
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ....plugins.capabilities import (
    SupportsEarlyRefusal,
    SupportsExplaining,
    SupportsFiles,
    SupportsFormats,
    SupportsListing,
    SupportsLongUrls,
    SupportsPing,
    SupportsPosting,
    SupportsSignedUrls,
    SupportsThumbnails,
    SupportsUnfinishedSaves,
)
from ....plugins.contracts import Fetcher
from ....plugins.host.registry import GROUPS, InstalledPlugin, Kind, RegistryError, installed, load
from ....plugins.host.validation import mentions_secret

KINDS: Mapping[str, Kind] = MappingProxyType(
    {"fetcher": "fetch", "detector": "detect", "processor": "process", "storage": "storage"}
)
"""Each kind by the noun that people read and write for a plugin of it."""

NOUNS: Mapping[Kind, str] = MappingProxyType({kind: noun for noun, kind in KINDS.items()})
"""The noun of each kind."""

CAPABILITIES: Mapping[str, type] = {
    "explaining": SupportsExplaining,
    "long urls": SupportsLongUrls,
    "posting": SupportsPosting,
    "early refusal": SupportsEarlyRefusal,
    "formats": SupportsFormats,
    "thumbnails": SupportsThumbnails,
    "files": SupportsFiles,
    "listing": SupportsListing,
    "signed urls": SupportsSignedUrls,
    "unfinished saves": SupportsUnfinishedSaves,
    "ping": SupportsPing,
}
"""Every capability, by the name that ``lading plugins`` prints."""

_NAMES: Mapping[Any, str] = {
    SecretStr: "secret",
    SecretBytes: "secret",
    str: "text",
    bool: "true | false",
    IPv4Network: "network",
    IPv6Network: "network",
}
_BOUNDS: Mapping[str, str] = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
"""By pydantic's attribute for the bound of a number."""


@dataclass(frozen=True, slots=True)
class OptionEntry:
    """One option of a plugin.

    Attributes:
        name: as ``service.conf`` writes it.
        type: its type for people: ``int from 1 to 64``.
        default: as ``service.conf`` would write it; None for a required option, or a secret.
        required: whether it has no default.
        secret: whether its value is never shown.
        help: its description.
    """

    name: str
    type: str
    default: str | None
    required: bool
    secret: bool
    help: str


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """An installed plugin.

    Attributes:
        kind, name, distribution, version, target: see ``lading.plugins.host.registry.InstalledPlugin``.
        configured: whether ``service.conf`` names it.
        contract_version: of the contract that it implements; None if it is broken.
        capabilities: the URL schemes of a fetcher, and the optional capabilities.
        options: its options, in the order declared.
        broken: why it cannot be used, or None.
    """

    kind: Kind
    name: str
    distribution: str
    version: str
    target: str
    configured: bool
    contract_version: int | None = None
    capabilities: tuple[str, ...] = ()
    options: tuple[OptionEntry, ...] = ()
    broken: str | None = None


def catalogue(configured: Callable[[Kind], Sequence[str]]) -> list[PluginEntry]:
    """Every installed plugin by kind: first the configured ones in their order, then the others by name.

    Imports all of them, and blocks as long as that takes.

    Args:
        configured: gives the names of a kind in ``service.conf``.
    """
    entries = []
    for kind in GROUPS:
        names = tuple(configured(kind))
        plugins = sorted(installed(kind), key=lambda one: names.index(one.name) if one.name in names else len(names))
        entries += [_entry(plugin, plugin.name in names) for plugin in plugins]
    return entries


def _entry(plugin: InstalledPlugin, configured: bool) -> PluginEntry:
    told = (plugin.kind, plugin.name, plugin.distribution, plugin.version, plugin.target, configured)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # what a module prints at its import is no part of the list
            cls = load(plugin.kind, plugin.name).cls
        return PluginEntry(*told, cls.contract_version, capabilities(cls), _options(cls.Options.model_fields))
    except RegistryError as error:
        return PluginEntry(*told, broken=str(error))
    except Exception as error:  # noqa: BLE001 - a stranger's class and options may raise anything when looked at
        return PluginEntry(*told, broken=f"it cannot be described: {type(error).__name__}")


def capabilities(cls: type) -> tuple[str, ...]:
    """The capabilities of a plugin's class, as phrases."""
    able = tuple(name for name, interface in CAPABILITIES.items() if issubclass(cls, interface))
    return (f"schemes {', '.join(sorted(cls.schemes))}", *able) if issubclass(cls, Fetcher) else able


def fetchers_of(scheme: str) -> list[InstalledPlugin]:
    """The installed fetchers that serve the URL scheme, without broken ones. Imports all of them."""
    found = []
    for plugin in installed("fetch"):
        with contextlib.suppress(RegistryError):
            if scheme in load("fetch", plugin.name).cls.schemes:
                found.append(plugin)
    return found


# --- options ----------------------------------------------------------------------------------------------------------


def _options(fields: Mapping[str, FieldInfo]) -> tuple[OptionEntry, ...]:
    return tuple(_option(field.alias or name, field) for name, field in fields.items())


def _option(name: str, field: FieldInfo) -> OptionEntry:
    secret = mentions_secret(field.annotation)
    shown = None if secret or field.is_required() else written(default_of(field))
    return OptionEntry(
        name, _type(field), shown, field.is_required(), secret, " ".join((field.description or "").split())
    )


def default_of(field: FieldInfo) -> Any:
    """The default, unless its factory needs the other options."""
    if field.default_factory is not None and field.default_factory_takes_validated_data:
        return None
    default = field.get_default(call_default_factory=True)
    return None if default is PydanticUndefined else default


def written(value: Any) -> str:
    """A value as ``service.conf`` writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{written(key)}={written(each)}" for key, each in value.items())
    # A named tuple is one value with a text form of its own.
    if (
        isinstance(value, Sequence | frozenset | set)
        and not isinstance(value, str | bytes)
        and not hasattr(value, "_fields")
    ):
        return ", ".join(map(written, value))
    return str(value)


def _type(field: FieldInfo) -> str:
    bounds = [(text, getattr(item, key, None)) for item in field.metadata for key, text in _BOUNDS.items()]
    return " ".join([_type_name(field.annotation), *(text.format(written(b)) for text, b in bounds if b is not None)])


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(_type_name(one) for one in arguments if one is not type(None)))
    if origin in (tuple, list, set, frozenset):
        return f"list of {' | '.join(dict.fromkeys(_type_name(one) for one in arguments if one is not ...))}"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " | ".join(str(member.value) for member in annotation)
    name = _NAMES.get(annotation) or str(getattr(annotation, "__name__", "value"))
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
