"""Every option of ``service.conf``: its help, type and range from its model, its default from the shipped file."""

import inspect
import re
from collections.abc import Iterator
from configparser import ConfigParser
from enum import EnumType
from pathlib import Path
from textwrap import fill
from typing import Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from tests.docs.test_service_conf import ISSUER, models, without_comment_signs

WIDTH: Final = 96
KINDS: Final = {"fetch": "fetcher", "detect": "detector", "process": "processor", "storage": "storage"}
TYPES: Final = {bool: "true or false", int: "integer", float: "number", str: "text", Path: "path", SecretStr: "secret"}


def options() -> str:
    """The part, in Markdown."""
    defaults = ConfigParser(interpolation=None, delimiters=("=",), allow_no_value=True)
    defaults.optionxform = str  # type: ignore[assignment,method-assign]  # as the documentation of configparser has it
    defaults.read_string(without_comment_signs())
    return "\n\n".join("\n\n".join(_section(name, model, defaults)) for name, model in models().items())


def _section(name: str, model: type[BaseModel], defaults: ConfigParser) -> Iterator[str]:
    title = name if name != ISSUER else "issuer.ID"
    yield f"### `[{title}]`"
    yield fill(_about(name, model), WIDTH)
    for key, field in model.model_fields.items():
        default = None if name == ISSUER else defaults.get(name, key, fallback=None)
        yield _option(title, key, field, default)


def _about(name: str, model: type[BaseModel]) -> str:
    kind, _, plugin = name.partition(".")
    if kind in KINDS and plugin:
        return f"Options of the built-in {KINDS[kind]} `{plugin}`."
    words = inspect.cleandoc(model.__doc__ or "").partition(": ")[2].partition("; see ``")
    return sentence(words[0].replace("``", "`").replace("<name>", "NAME"))


def _option(section: str, key: str, field: FieldInfo, default: str | None) -> str:
    facts = [f"{_type(field)}{_range(field)}".capitalize()]
    if field.is_required():
        facts.append("Required")
    elif section == "issuer.ID":
        facts.append(_shown(str(field.default)) if field.default is not None else "No default")
    else:
        facts.append(_shown(default or ""))
    variable = re.sub(r"[.-]", "_", f"LADING_{section}").upper() + f"__{key.upper()}"
    lines = [f"`{key}` {{ #{section.replace('.', '-')}-{key} }}"]
    text = fill(sentence(field.description or "").replace("<", "&lt;"), WIDTH, break_on_hyphens=False)
    lines += [f":   {text}".replace("\n", "\n    ")]
    lines += ["", *(f"    {line}" for line in _wrapped(f"{'. '.join(facts)}. `{variable}`."))]
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False).splitlines()


def _shown(default: str) -> str:
    return (
        f"Default: `{default.lower() if default in {'True', 'False'} else default}`" if default else "Empty by default"
    )


def _type(field: FieldInfo) -> str:
    given = field.annotation
    inner = [one for one in get_args(given) if one is not type(None)]
    if get_origin(given) is Literal:
        return " or ".join(f"`{choice}`" if choice else "empty" for choice in inner)
    if isinstance(given, EnumType):
        return ", ".join(f"`{member.value}`" for member in given)
    if get_origin(given) is tuple:
        return "list, separated by commas"
    if given in TYPES:
        return TYPES[given]
    return next((TYPES[one] for one in inner if one in TYPES), "text")


def _range(field: FieldInfo) -> str:
    low = next((f"{one.ge}" for one in field.metadata if isinstance(one, Ge)), "")
    above = next((f"above {one.gt}" for one in field.metadata if isinstance(one, Gt)), "")
    high = next((f"{one.le}" for one in field.metadata if isinstance(one, Le)), "")
    if high:
        return f", {low or above} to {high}"
    return f", at least {low}" if low else ""


def sentence(text: str) -> str:
    """Help as a sentence: with a capital letter, and a full stop."""
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."
