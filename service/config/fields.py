"""The parts of the options in ``sections``: types with their rules, and the base of every section."""

import re
from datetime import UTC
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from ...plugins.host.validation import SILENT
from ...plugins.options import CommaSeparated
from ..secrets.vault import check_key


def time_zone(name: Any) -> Any:
    """The zone of an IANA name; ``UTC`` needs no time zone database."""
    if not isinstance(name, str):
        return name
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("is not a time zone of this machine's IANA database, such as Europe/Vienna") from None


def no_unix_socket(address: Any) -> Any:
    """An address; one of a Unix socket is told apart from a slip."""
    if isinstance(address, str) and (address.startswith("unix:") or "/" in address):
        raise ValueError(
            "a Unix socket is not supported: give an IP address or a host name, such as 127.0.0.1, and a port"
        )
    return address


def without_repetition(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, each at most once."""
    if len(set(names)) < len(names):
        raise ValueError("names a plugin twice; name each plugin once")
    return names


_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def web_origins(values: tuple[str, ...]) -> tuple[str, ...]:
    """Origins of web pages as browsers write them (RFC 6454 section 6.2), or ``*`` alone."""
    if values == ("*",):
        return values
    found = []
    for value in values:
        match = _ORIGIN.fullmatch(value.lower())
        if match is None:
            raise ValueError("is neither a list of origins such as https://app.example.org nor * alone")
        found.append(match[0].removesuffix(_DEFAULT_PORTS.get(match[1], " ")))
    return tuple(found)


def none_if_empty(value: Any) -> Any:
    """An option that is left empty has no value."""
    return None if value == "" else value


def quotas(value: Any) -> Any:
    """Split ``one=60, other=0`` into a mapping; anything that is not a string passes unchanged."""
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for piece in filter(None, map(str.strip, value.split(","))):
        name, equals, number = (part.strip() for part in piece.rpartition("="))
        if not equals or not name or name in found:
            raise ValueError("is not a list such as <id>=60, <other id>=0, with each id once")
        found[name] = number
    return found


def mongodb_uri(uri: SecretStr) -> SecretStr:
    """A connection string of MongoDB; the refusal does not repeat it."""
    if not uri.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("does not begin with mongodb:// or mongodb+srv://")
    return uri


def refused(problem: str) -> PydanticCustomError:
    """The error of a validator of a secret option; its text is shown, so it must not contain the secret."""
    return PydanticCustomError(SILENT, "{problem}", {"problem": problem})


def _encryption_key(key: SecretStr) -> SecretStr:
    try:
        check_key(key.get_secret_value())
    except ValueError as error:
        raise refused(str(error)) from None
    return key


EncryptionKey = Annotated[SecretStr, AfterValidator(_encryption_key)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
PluginName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
AnyPluginNames = Annotated[tuple[PluginName, ...], CommaSeparated, AfterValidator(without_repetition)]
PluginNames = Annotated[AnyPluginNames, Field(min_length=1)]


class Section(BaseModel):
    """Base of every section."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
