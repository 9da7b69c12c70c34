"""The typed model of ``[nats]``."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from ....plugins.options import CommaSeparated, PathOption
from ..fields import Section, none_if_empty, refused

_SCHEMES = ("nats://", "tls://", "ws://", "wss://")


def _server(address: SecretStr) -> SecretStr:
    if not address.get_secret_value().startswith(_SCHEMES):
        raise refused(f"does not begin with one of {', '.join(_SCHEMES)}")
    return address


class NatsSettings(Section):
    """``[nats]``: the broker that hands out queued imports, where ``[worker] dispatch`` is nats."""

    servers: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_server)], ...], CommaSeparated, Field(min_length=1)
    ] = Field(
        (SecretStr("nats://127.0.0.1:4222"),),
        description=(
            "Addresses of the NATS servers, separated by commas. tls:// encrypts. Use $env:NAME or $file:PATH to"
            " keep a user's password or token out of this file."
        ),
    )
    stream: str = Field(
        "lading",
        pattern=r"^[A-Za-z0-9_-]{1,63}$",
        description=(
            "Name of the JetStream stream, and the first part of its subjects: up to 63 letters, digits, _ and -."
            " Lading creates a stream that does not exist."
        ),
    )
    replicas: int = Field(
        1, ge=1, le=5, description="Servers of a cluster that keep each message, where Lading creates the stream."
    )
    credentials_file: Annotated[PathOption | None, BeforeValidator(none_if_empty)] = Field(
        None, description="File with the credentials of a NATS user (.creds). Empty for none."
    )
    ca_file: Annotated[PathOption | None, BeforeValidator(none_if_empty)] = Field(
        None,
        description="File with the authorities' certificates (PEM) that sign the servers'. Empty for the system's own.",
    )
