"""From a file and the environment to ``Settings``: read, override, resolve, validate; then every fault at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from ...plugins.host.registry import Kind, installed
from ...plugins.host.validation import OptionsRejected, did_you_mean, option_names, validate_options
from ..models.issuers import MAX_ISSUER_ID, Issuer, is_issuer_id
from .components import Components, find_components
from .environment import Addressable, Override, apply_overrides, find_overrides, unmatched_faults
from .faults import Fault, SettingsError
from .ini import Section, Sections, read_conf
from .references import ReferenceBroken, References
from .sections.issuers import IssuerSection
from .sections.service import ISSUER_PREFIX, PLUGIN_PREFIXES, SECTIONS, Settings

Model = TypeVar("Model", bound=BaseModel)


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Load the configuration. Blocks while it reads files. No plugin is imported; see ``load_all``.

    Args:
        path: the ``service.conf``, or None for the built-in defaults.
        environ: the environment, for overrides and ``$env:``.

    Raises:
        SettingsError: with every fault.
    """
    draft = _draft(path, environ)
    if draft.faults:
        raise SettingsError(draft.faults)
    return draft.settings


def load_all(path: Path | None, environ: Mapping[str, str]) -> tuple[Settings, Components]:
    """Like ``load_settings``; also imports the configured plugins and validates their options.

    Raises:
        SettingsError: with every fault of both.
    """
    draft = _draft(path, environ)
    components, faults = find_components(draft.settings, draft.judged_kinds)
    if draft.faults or components is None:
        told = {(fault.section, fault.key) for fault in draft.faults}
        raise SettingsError([*draft.faults, *(fault for fault in faults if (fault.section, fault.key) not in told)])
    return draft.settings, components


@dataclass
class _Draft:
    """Settings in the making. A faulty section has its defaults until the whole is refused.

    Attributes:
        invalid: names of the faulty sections.
    """

    references: References
    sections: Sections
    faults: list[Fault]
    settings: Settings = field(default_factory=Settings)
    invalid: set[str] = field(default_factory=set)

    @property
    def judged_kinds(self) -> tuple[Kind, ...]:
        """The kinds whose configured plugins are known."""
        return tuple(kind for kind in PLUGIN_PREFIXES.values() if kind not in self.invalid)


def _draft(path: Path | None, environ: Mapping[str, str]) -> _Draft:
    sections, faults = read_conf(path) if path is not None else ({}, [])
    draft = _Draft(References(environ, path.parent if path is not None else Path()), sections, faults)
    closed = _closed_sections(sections)
    overrides, override_faults = apply_overrides(find_overrides(environ), closed, sections)
    draft.faults += override_faults
    _validate_sections(draft)
    open_ = _plugin_sections(draft)
    overrides, override_faults = apply_overrides(overrides, open_, sections)
    draft.faults += override_faults
    draft.faults += unmatched_faults((item for item in overrides if not _unjudged(draft, item)), {**closed, **open_})
    _keep_plugin_sections(draft)
    _refuse_unknown_sections(draft)
    return draft


def _closed_sections(sections: Sections) -> Addressable:
    keys = {name: frozenset(option_names(model)) for name, model in SECTIONS.items()}
    issuer_keys = frozenset(option_names(IssuerSection))
    return keys | {name: issuer_keys for name in sections if name.startswith(ISSUER_PREFIX)}


def _plugin_sections(draft: _Draft) -> Addressable:
    """The sections of configured plugins, and the sections of the file."""
    configured = [f"{kind}.{name}" for kind in draft.judged_kinds for name in draft.settings.configured(kind)]
    present = [name for name in draft.sections if name.startswith(tuple(PLUGIN_PREFIXES)) and name not in SECTIONS]
    return dict.fromkeys(configured + present)


def _unjudged(draft: _Draft, override: Override) -> bool:
    """Whether the override may belong to a plugin in a faulty list of plugins."""
    kind, _, rest = override.body.partition("_")
    return kind in draft.invalid and not rest.startswith("_")


def _validate_sections(draft: _Draft) -> None:
    found: dict[str, Any] = {}
    for name, model in SECTIONS.items():
        section = _validated(draft, name, model)
        if section is not None:
            found[name.replace(".", "_")] = section
    issuers = [_issuer(draft, name) for name in draft.sections if name.startswith(ISSUER_PREFIX)]
    by_id = {issuer.id: issuer for issuer in issuers if issuer is not None}
    draft.settings = replace(draft.settings, issuers=by_id, **found)


def _validated(draft: _Draft, name: str, model: type[Model]) -> Model | None:
    written = draft.sections.get(name, {})
    section, unresolved = _resolved(draft, name, written)
    try:
        options = validate_options(model, {key: entry.value for key, entry in section.items()})
    except OptionsRejected as rejected:
        for fault in rejected.faults:
            if fault.option not in unresolved:
                where = section[fault.option].where if fault.option in section else ""
                draft.faults.append(Fault(fault.problem, name, fault.option, where))
        options = None
    if options is None or unresolved:
        draft.invalid.add(name)
        return None
    return options


def _resolved(draft: _Draft, name: str, written: Section) -> tuple[Section, set[str]]:
    """The section with its references resolved, and the keys with broken references."""
    section = {}
    broken = set()
    for key, entry in written.items():
        try:
            section[key] = draft.references.resolve(entry)
        except ReferenceBroken as error:
            draft.faults.append(Fault(str(error), name, key, entry.where))
            broken.add(key)
    return section, broken


def _issuer(draft: _Draft, name: str) -> Issuer | None:
    issuer_id = name.removeprefix(ISSUER_PREFIX)
    if not is_issuer_id(issuer_id):
        draft.faults.append(Fault(f"the id must be 1 to {MAX_ISSUER_ID} printable characters without spaces", name))
        return None
    section = _validated(draft, name, IssuerSection)
    if section is None:
        return None
    key, previous_key = section.keys
    return Issuer(
        id=issuer_id,
        organization_id=section.organization_id,
        key=key,
        algorithm=section.algorithm,
        enabled=section.enabled,
        require_exp=section.require_exp,
        previous_key=previous_key,
    )


def _keep_plugin_sections(draft: _Draft) -> None:
    """Resolve references of configured plugins only: those of other plugins may be missing on this machine for good
    reason.
    """
    kept = {}
    for kind in draft.judged_kinds:
        for configured in draft.settings.configured(kind):
            name = f"{kind}.{configured}"
            kept[name], _ = _resolved(draft, name, draft.sections.get(name, {}))
    # Overrides of plugins are known by now.
    places = {(name, key): entry.where for name, section in draft.sections.items() for key, entry in section.items()}
    draft.settings = replace(draft.settings, plugin_sections=kept, places=places)


def _refuse_unknown_sections(draft: _Draft) -> None:
    """A section that nothing reads is refused: what it denies would be allowed. That of a plugin that is installed, and
    not configured, is read once it is: the shipped ``service.conf`` has one for every plugin.
    """
    for name in draft.sections:
        prefix, dot, rest = name.partition(".")
        kind = PLUGIN_PREFIXES.get(prefix + dot) if rest else None
        known = {*SECTIONS, *(one + rest for one in (ISSUER_PREFIX, *PLUGIN_PREFIXES) if rest)}
        if kind is not None and name not in SECTIONS and kind in draft.judged_kinds:
            draft.faults += _faults_of_plugin_section(draft.settings, name, kind, rest)
        elif name not in known and name != ISSUER_PREFIX:
            draft.faults.append(Fault(f"is not a known section{did_you_mean(name, sorted(known))}", name))


def _faults_of_plugin_section(settings: Settings, section: str, kind: Kind, name: str) -> Iterator[Fault]:
    configured = settings.configured(kind)
    if name in configured:
        return
    known = {*configured, *(plugin.name for plugin in installed(kind))}
    if name not in known:
        hint = did_you_mean(section, sorted(f"{kind}.{one}" for one in known))
        yield Fault(f"is read by nothing: [{kind}] does not name it, and no such plugin is installed{hint}", section)
