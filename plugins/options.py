"""Typed options of a plugin: one declaration gives an option its name, type, default and help."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class PluginOptions(BaseModel):
    """Base of every plugin's options model.

    Declare each option as an annotated field with ``Field(default, description=...)``. Lading reads the options from
    the plugin's own section of ``service.conf`` (``[storage.local]`` for the storage entry point ``local``). Unknown
    keys are errors, and instances are frozen. Declare a secret as ``pydantic.SecretStr``, so that it prints redacted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _split_commas(value: Any) -> Any:
    """Split an INI value such as ``80, 443`` into its parts; anything that is not a string passes unchanged."""
    if isinstance(value, str):
        return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
    return value


CommaSeparated = BeforeValidator(_split_commas)
"""Marks a tuple option that ``service.conf`` writes as a comma-separated list."""


def _path(value: Any) -> Any:
    """Refuse the empty string, which would be the working directory, and what no path can hold."""
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError("is not a path")
    return value


PathOption = Annotated[Path, BeforeValidator(_path)]
"""A path. A relative path starts from the working directory."""

Names = Annotated[tuple[str, ...], CommaSeparated]
"""A comma-separated list of names, in their order in ``service.conf``."""
