"""The shipped ``service.conf``: loads as it is, equals the built-in defaults, documents every option and no other."""

import re
from pathlib import Path

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel

from lading.plugins.host import registry
from lading.plugins.host.registry import GROUPS
from lading.plugins.host.validation import option_names
from lading.service.config import load_all, load_components, load_settings
from lading.service.config.ini import read_conf
from lading.service.config.sections.issuers import IssuerSection
from lading.service.config.sections.service import SECTIONS
from lading.service.models.issuers import Algorithm, Issuer

CONF = Path(__file__).parents[2] / "service.conf"
ISSUER = "issuer.fa355b5e-d1e4-4155-adfa-0b00de50629d"


def plugin_models() -> dict[str, type[BaseModel]]:
    """The options of every built-in plugin that has any, by section."""
    loaded = [
        registry.load(kind, plugin.name)
        for kind in GROUPS
        for plugin in registry.installed(kind)
        if plugin.distribution == "lading"
    ]
    return {f"{plugin.kind}.{plugin.name}": plugin.cls.Options for plugin in loaded if plugin.cls.Options.model_fields}


def without_comment_signs() -> str:
    """The file with what it shows in comments made real: an issuer, and options that have no default."""
    return re.sub(rf"^# (?=\w+ =|\[{re.escape(ISSUER)}\]$)", "", CONF.read_text(), flags=re.MULTILINE)


def required() -> set[tuple[str, str]]:
    """The options of plugins that have no default, by section and key."""
    return {
        (name, key)
        for name, model in plugin_models().items()
        for key, field in model.model_fields.items()
        if field.is_required()
    }


def documented() -> dict[tuple[str, str], str]:
    """The help of every option, by section and key: the comment on the lines just before it."""
    found = {}
    section, comment = "", ""
    for line in without_comment_signs().splitlines():
        if line.startswith("#"):
            comment += line[1:]
            continue
        if line.startswith("["):
            section = line[1:-1]
        elif line:
            found[section, line.partition(" =")[0]] = comment.strip()
        comment = ""
    return found


def models() -> dict[str, type[BaseModel]]:
    return {**SECTIONS, ISSUER: IssuerSection, **plugin_models()}


def range_of(model: type[BaseModel], key: str) -> str:
    """The sentence about an option's range; empty where the option has none."""
    least = most = ""
    for constraint in model.model_fields[key].metadata:
        if isinstance(constraint, Ge):
            least = str(constraint.ge)
        elif isinstance(constraint, Gt):
            least = f"more than {constraint.gt}"
        elif isinstance(constraint, Le):
            most = str(constraint.le)
    if most:
        return f"Range: {least} to {most}."
    return f"Minimum: {least}." if least else ""


def expected(model: type[BaseModel], key: str) -> str:
    """The comment of an option: its description, whether it is required, and its range."""
    field = model.model_fields[key]
    return " ".join(
        part for part in (field.description, "Required." if field.is_required() else "", range_of(model, key)) if part
    )


def test_it_loads_without_a_fault_and_equals_the_built_in_defaults() -> None:
    shipped, components = load_all(CONF, {})
    default, default_components = load_all(None, {})
    for name in SECTIONS:
        attribute = name.replace(".", "_")
        assert getattr(shipped, attribute) == getattr(default, attribute)
    assert shipped.issuers == default.issuers == {}
    assert components == default_components


def test_sections_of_plugins_that_are_not_the_default_hold_their_defaults_too() -> None:
    settings = load_settings(CONF, {"LADING_STORAGE__BACKEND": "memory"})
    default = load_settings(None, {"LADING_STORAGE__BACKEND": "memory"})
    assert load_components(settings) == load_components(default)


def test_sections_of_clouds_hold_their_defaults_too() -> None:
    for name in {name for name, _ in required()}:
        backend = name.removeprefix("storage.")
        environ = {"LADING_STORAGE__BACKEND": backend, f"LADING_STORAGE_{backend.upper()}__BUCKET": "my-images"}
        shipped, default = (load_components(load_settings(conf, environ)) for conf in (CONF, None))
        assert shipped == default
        assert shipped.storage.options.model_dump()["bucket"] == "my-images"


def test_it_holds_every_option_and_no_other() -> None:
    sections, faults = read_conf(CONF)
    assert not faults
    written = {(name, key) for name, section in sections.items() for key in section}
    assert required()
    assert not written & required()
    assert written | required() | {(ISSUER, key) for key in option_names(IssuerSection)} == {
        (name, key) for name, model in models().items() for key in option_names(model)
    }
    assert set(sections) | {ISSUER} == {*models()} | {"fetch", "detect", "storage"}


def test_every_option_is_written_in_the_order_of_its_model_and_has_its_line_of_help() -> None:
    helped = documented()
    for name, model in models().items():
        assert [key for section, key in helped if section == name] == list(option_names(model))
    assert [place for place, comment in helped.items() if len(comment) < 10] == []


def test_the_comment_of_an_option_is_its_description_and_its_range() -> None:
    helped = documented()
    wrong = {
        (name, key): expected(model, key)
        for name, model in models().items()
        for key in option_names(model)
        if helped[name, key] != expected(model, key)
    }
    assert wrong == {}


def test_lines_are_short_enough_to_read() -> None:
    assert [line for line in CONF.read_text().splitlines() if len(line) > 100] == []


def test_help_names_every_choice() -> None:
    helped = documented()
    for name, key, choices in [
        ("service", "log_format", ("auto", "console", "json")),
        ("service", "log_level", ("debug", "info", "warning", "error")),
        ("documents", "backend", ("sqlite", "mongo", "memory")),
        (ISSUER, "algorithm", tuple(Algorithm)),
        ("storage.s3", "addressing", ("auto", "path", "virtual")),
        ("storage.s3", "encryption", ("AES256", "aws:kms", "aws:kms:dsse")),
    ]:
        assert [choice for choice in choices if choice not in helped[name, key]] == []


def test_the_issuer_it_shows_is_one(tmp_path: Path) -> None:
    conf = tmp_path / "service.conf"
    conf.write_text(without_comment_signs())
    secret = "throw-away " * 4
    issuers = load_settings(conf, {"LADING_EXAMPLE_SECRET": secret}).issuers
    assert issuers == {
        ISSUER.removeprefix("issuer."): Issuer(
            id=ISSUER.removeprefix("issuer."),
            organization_id="194c51fb-fef1-4bdf-ab27-fed1b67cf6f1",
            key=secret,
        )
    }
