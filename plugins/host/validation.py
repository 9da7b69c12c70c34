"""Turns options as text into a typed model, or into a list of faults.

No fault repeats the value of a secret. Only a model's own validator can make a fault repeat any value at all.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, ValidationError

Model = TypeVar("Model", bound=BaseModel)

_INLINE_COMMENT = re.compile(r"\s[#;]")

SILENT = "silent_about_the_value"
"""Type of a ``PydanticCustomError`` that a validator of a secret option may raise: Lading shows its text, which does
not contain the secret.
"""
_SILENT_ABOUT_THE_VALUE = frozenset(
    {SILENT, "missing", "string_type", "string_too_short", "string_too_long", "too_short", "too_long"}
)
"""Types of pydantic's errors whose text cannot contain the value; a validator's own text can."""


@dataclass(frozen=True, slots=True)
class OptionFault:
    """One fault in a set of options.

    Attributes:
        option: name of the option; empty if the fault concerns several options.
        problem: the fault, as a phrase that follows the name.
    """

    option: str
    problem: str

    def __str__(self) -> str:
        return f"{self.option}: {self.problem}" if self.option else self.problem


class OptionsRejected(Exception):
    """Options do not fit their model.

    Attributes:
        faults: every fault, at least one.
    """

    def __init__(self, faults: Iterable[OptionFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause such as ``; did you mean 'port'?`` for the closest of the known names, or an empty string."""
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(name.lower(), by_lower_case, n=1)
    return f"; did you mean '{by_lower_case[close[0]]}'?" if close else ""


def option_names(model: type[BaseModel]) -> tuple[str, ...]:
    """The names of a model's options as ``service.conf`` writes them, in the order declared."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def validate_options(model: type[Model], raw: Mapping[str, str]) -> Model:
    """Build the model from its options as text.

    Raises:
        OptionsRejected: with every fault. It has no cause or context, since pydantic's own error holds the values.
    """
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        faults = tuple(_faults(model, raw, error))
    raise OptionsRejected(faults)


def _faults(model: type[BaseModel], raw: Mapping[str, str], error: ValidationError) -> Iterator[OptionFault]:
    secret = _secret_options(model)
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        option = str(detail["loc"][0]) if detail["loc"] else ""
        item = next((part for part in detail["loc"][1:] if isinstance(part, int)), None)
        if detail["type"] == "extra_forbidden":
            problem = f"is not a known option{did_you_mean(option, option_names(model))}"
        elif detail["type"] == "missing":
            problem = "is required"
        elif _may_show_a_secret(detail["type"], detail["msg"], option, secret, raw):
            problem = "is not acceptable (not explained further, since a secret is involved)"
        else:
            problem = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            problem = problem[:1].lower() + problem[1:]
            if option not in secret and _INLINE_COMMENT.search(raw.get(option, "")):
                problem += f"; the value is {raw[option]!r}, since a comment needs a line of its own"
        yield OptionFault(option, problem if item is None else f"item {item + 1}: {problem}")


def _may_show_a_secret(kind: str, message: str, option: str, secret: frozenset[str], raw: Mapping[str, str]) -> bool:
    if option in secret:
        return kind not in _SILENT_ABOUT_THE_VALUE
    return any(raw[name] in message for name in secret if raw.get(name))


def _secret_options(model: type[BaseModel]) -> frozenset[str]:
    fields = model.model_fields.items()
    return frozenset(field.alias or name for name, field in fields if mentions_secret(field.annotation))


def mentions_secret(annotation: Any) -> bool:
    """Whether an option of this type holds a secret, possibly within another type."""
    kind = get_origin(annotation) or annotation
    if isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes | Secret):
        return True
    return any(map(mentions_secret, get_args(annotation)))
